//! "Did you mean": the nearest allowed word.

/// The message for a word that is not among the allowed ones.
pub(crate) fn unknown(what: &str, word: &str, allowed: &[&str]) -> String {
    let near = 1 + word.len() / 4;
    // Words of too different a length are never near: a file of ten thousand wrong keys is still told at once.
    let candidates = allowed.iter().filter(|known| known.len().abs_diff(word.len()) <= near);
    let nearest = candidates.map(|known| (distance(word, known), known)).min();
    let hint = match nearest {
        Some((distance, known)) if distance <= near => format!("did you mean {known:?}? "),
        _ => String::new(),
    };
    let allowed =
        if allowed.is_empty() { "there is none".to_owned() } else { format!("allowed: {}", allowed.join(", ")) };
    format!("unknown {what} {word:?}; {hint}{allowed}")
}

/// Edits from one word to the other (Levenshtein 1966), swapped neighbours counted as one (Damerau).
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().take(64).collect(), other.chars().take(64).collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=other.len()).collect()];
    for i in 1..=one.len() {
        let mut row = vec![i];
        for j in 1..=other.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(one[i - 1] != other[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[one.len()][other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_suggested() {
        let allowed = ["weight", "host", "port"];
        assert!(unknown("key", "wieght", &allowed).contains("did you mean \"weight\"?"));
        assert!(!unknown("key", "colour", &allowed).contains("did you mean"));
        assert_eq!(distance("abc", "abc"), 0);
        assert_eq!(distance("abc", "acb"), 1);
        assert_eq!(distance("", "abc"), 3);
    }
}

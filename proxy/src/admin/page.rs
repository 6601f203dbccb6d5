//! Lists in pages: one way for all of them.

use super::status::Violations;

/// Entries of a page, at most and by default.
const LARGEST: usize = 1000;

/// A page of a list.
#[derive(Debug)]
pub(super) struct Page<'a, T> {
    /// What stands on it.
    pub(super) entries: &'a [T],
    /// What the caller sends for the next one; empty on the last.
    pub(super) next: String,
}

impl<'a, T> Page<'a, T> {
    /// The page after `token`, which names the last entry of the page before, so that additions elsewhere do not shift
    /// pages.
    pub(super) fn of(
        all: &'a [T],
        size: u32,
        token: &str,
        name: impl Fn(&T) -> String,
        violations: &mut Violations,
    ) -> Self {
        let size = match usize::try_from(size).unwrap_or(usize::MAX) {
            0 => LARGEST,
            size if size <= LARGEST => size,
            _ => {
                violations.push("page_size", format!("{size} is not within 1..{LARGEST}; 0 is {LARGEST}"));
                LARGEST
            }
        };
        let start = match token {
            "" => 0,
            last => all.iter().position(|entry| name(entry) == last).map_or_else(
                || {
                    violations.push("page_token", "its place is gone; begin again without a token");
                    0
                },
                |index| index + 1,
            ),
        };
        let rest = all.get(start..).unwrap_or_default();
        let entries = rest.get(..size).unwrap_or(rest);
        let next =
            if entries.len() < rest.len() { entries.last().map(name).unwrap_or_default() } else { String::new() };
        Self { entries, next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page<'a>(all: &'a [u32], size: u32, token: &str) -> Result<Page<'a, u32>, tonic::Status> {
        let mut violations = Violations::default();
        let page = Page::of(all, size, token, u32::to_string, &mut violations);
        violations.check().map(|()| page)
    }

    #[test]
    fn pages_follow_each_other_to_the_end() {
        let all = [1, 2, 3, 4, 5];
        let first = page(&all, 2, "").expect("a page");
        assert_eq!((first.entries, first.next.as_str()), (&all[..2], "2"));
        let last = page(&all, 3, "2").expect("a page");
        assert_eq!((last.entries, last.next.as_str()), (&all[2..], ""));
        let whole = page(&all, 0, "").expect("a page");
        assert_eq!((whole.entries, whole.next.as_str()), (&all[..], ""));
        assert_eq!(page(&[], 1, "").expect("nothing").next, "");
    }

    #[test]
    fn a_size_or_a_place_that_is_none_is_a_fault() {
        let all = [1];
        assert!(page(&all, 1001, "").is_err());
        assert!(page(&all, 1, "9").is_err());
    }
}

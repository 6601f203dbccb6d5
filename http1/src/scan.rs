//! Finding the end of a run of allowed bytes: eight bytes at a time where runs are long, by
//! table where they are short.

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// First byte at or after `from` that may not stand in a field name or method (RFC 9110 §5.6.2,
/// `tchar`), or the length of `bytes`.
#[inline]
pub(crate) fn token_end(bytes: &[u8], from: usize) -> usize {
    let run = bytes.get(from..).unwrap_or_default();
    from + run.iter().position(|&byte| !is_token(byte)).unwrap_or(run.len())
}

/// First byte at or after `from` that may not stand in a field value: a control other than HTAB
/// (RFC 9110 §5.5), or the length of `bytes`. CR and LF end the run as well.
#[inline]
pub(crate) fn value_end(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(word) = word_at(bytes, at) {
        let hit = below(word, 0x20) | equal(word, 0x7f);
        if hit == 0 {
            at += 8;
            continue;
        }
        at += first(hit);
        if bytes.get(at) != Some(&b'\t') {
            return at;
        }
        at += 1;
    }
    while bytes.get(at).is_some_and(|&byte| is_value(byte)) {
        at += 1;
    }
    at
}

/// First byte at or after `from` that may not stand in a request target: anything but visible
/// ASCII, and `#`, which would begin a fragment. Or the length of `bytes`.
#[inline]
pub(crate) fn target_end(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(word) = word_at(bytes, at) {
        let hit = below(word, 0x21) | (word & HIGH) | equal(word, 0x7f) | equal(word, b'#');
        if hit != 0 {
            return at + first(hit);
        }
        at += 8;
    }
    while bytes.get(at).is_some_and(|&byte| is_target(byte)) {
        at += 1;
    }
    at
}

/// Whether a byte may stand in a token.
#[inline]
pub(crate) fn is_token(byte: u8) -> bool {
    TOKEN[byte as usize]
}

/// Whether a byte may stand in a field value (HTAB, SP, visible, obs-text).
#[inline]
pub(crate) fn is_value(byte: u8) -> bool {
    byte == b'\t' || (byte >= 0x20 && byte != 0x7f)
}

#[inline]
fn is_target(byte: u8) -> bool {
    matches!(byte, 0x21..=0x7e) && byte != b'#'
}

static TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = matches!(byte as u8,
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'!' | b'#' | b'$' | b'%' | b'&' | b'\''
            | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~');
        byte += 1;
    }
    table
};

#[inline]
fn word_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|word| u64::from_le_bytes(*word))
}

/// Marks the bytes of `word` below `limit` (at most 128) in their high bits. A borrow can mark a
/// byte wrongly, but only above a right mark, and only the lowest mark is ever used.
#[inline]
fn below(word: u64, limit: u8) -> u64 {
    word.wrapping_sub(LOW * u64::from(limit)) & !word & HIGH
}

/// Marks the bytes of `word` equal to `byte`; the same caution as [`below`].
#[inline]
fn equal(word: u64, byte: u8) -> u64 {
    below(word ^ (LOW * u64::from(byte)), 1)
}

/// Index of the lowest marked byte.
#[inline]
fn first(marks: u64) -> usize {
    (marks.trailing_zeros() / 8) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plain(bytes: &[u8], from: usize, allowed: impl Fn(u8) -> bool) -> usize {
        (from..bytes.len()).find(|&at| !allowed(bytes[at])).unwrap_or(bytes.len())
    }

    #[test]
    fn every_byte_at_every_place_is_judged_alone() {
        for byte in 0..=255u8 {
            for place in 0..20 {
                let mut bytes = [b'a'; 20];
                bytes[place] = byte;
                assert_eq!(value_end(&bytes, 0), plain(&bytes, 0, is_value), "value {byte:#x} at {place}");
                assert_eq!(target_end(&bytes, 0), plain(&bytes, 0, is_target), "target {byte:#x} at {place}");
                assert_eq!(token_end(&bytes, 0), plain(&bytes, 0, is_token), "token {byte:#x} at {place}");
            }
        }
    }

    proptest! {
        #[test]
        fn words_and_bytes_agree(bytes in proptest::collection::vec(any::<u8>(), 0..64), from in 0usize..64) {
            let from = from.min(bytes.len());
            prop_assert_eq!(value_end(&bytes, from), plain(&bytes, from, is_value));
            prop_assert_eq!(target_end(&bytes, from), plain(&bytes, from, is_target));
        }
    }
}

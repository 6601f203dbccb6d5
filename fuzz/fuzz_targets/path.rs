//! Paths: no panic; a normal path is normal, and stays so.
#![no_main]

use libfuzzer_sys::fuzz_target;
use speedmimi_http1::path::normalise;

fuzz_target!(|target: &[u8]| {
    let mut out = Vec::new();
    let Ok(once) = normalise(target, &mut out) else { return };
    if once == b"*" {
        return;
    }
    assert!(once.starts_with(b"/") && !once.contains(&b'\\'));
    for segment in once[1..].split(|&byte| byte == b'/').rev().skip(1) {
        assert!(!segment.is_empty());
    }
    assert!(once.split(|&byte| byte == b'/').all(|segment| segment != b"." && segment != b".."));
    assert!(!once.windows(3).any(|escape| escape.eq_ignore_ascii_case(b"%2f") || escape.eq_ignore_ascii_case(b"%2e")));
});

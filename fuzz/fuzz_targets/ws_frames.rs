//! WebSocket frames and event streams: no panic, and any split gives the same answers; valid
//! frames end where their headers say.
#![no_main]

use libfuzzer_sys::fuzz_target;
use speedmimi_http1::{sse::EventScanner, ws::FrameScanner};

fuzz_target!(|input: (u16, Vec<(u8, bool, u16)>, &[u8])| {
    let (cut, frames, bytes) = input;
    let (left, right) = bytes.split_at(usize::from(cut).min(bytes.len()));
    let (mut whole, mut split) = (FrameScanner::new(), FrameScanner::new());
    whole.scan(bytes);
    split.scan(left);
    split.scan(right);
    assert_eq!((whole.at_boundary(), whole.saw_close()), (split.at_boundary(), split.saw_close()));

    let (mut whole, mut split) = (EventScanner::new(), EventScanner::new());
    whole.scan(bytes);
    split.scan(left);
    split.scan(right);
    assert_eq!(whole.at_boundary(), split.at_boundary());

    let mut scanner = FrameScanner::new();
    for (first, masked, length) in frames.into_iter().take(8) {
        let control = first & 8 != 0;
        let opcode = if control { 0x88 + first % 3 } else { first % 3 | first & 0xc0 };
        let length = if control { length % 126 } else { length };
        let mask_bit = if masked { 0x80 } else { 0 };
        let mut frame = vec![opcode];
        if length < 126 {
            frame.push(mask_bit | length as u8);
        } else {
            frame.push(mask_bit | 126);
            frame.extend(length.to_be_bytes());
        }
        frame.resize(frame.len() + if masked { 4 } else { 0 } + usize::from(length), first);
        scanner.scan(&frame[..frame.len() - 1]);
        assert!(!scanner.at_boundary());
        scanner.scan(&frame[frame.len() - 1..]);
        assert!(scanner.at_boundary());
    }
});

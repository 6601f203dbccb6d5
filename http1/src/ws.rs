//! WebSocket frame boundaries, so that an upgraded connection can be ended politely.

/// Follows the frames of one direction of a WebSocket (RFC 6455 §5.2) across any split of the
/// bytes, to know where a frame ends and whether the peer said close. Payloads are not looked at.
///
/// It never fails: behind bytes that are no frame it stays lost, and
/// [`at_boundary`](Self::at_boundary) is false for ever.
#[derive(Clone, Copy, Debug, Default)]
pub struct FrameScanner {
    /// Length that is being read, then payload bytes to come.
    left: u64,
    /// First byte of the frame: FIN, RSV, opcode.
    first: u8,
    /// Bytes of the extended length still to come.
    length_bytes: u8,
    /// Bytes of the mask still to come.
    mask_bytes: u8,
    close: bool,
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    First,
    Second,
    Length,
    Mask,
    Payload,
    Lost,
}

impl FrameScanner {
    /// A scanner at the first byte behind the handshake.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in the next bytes.
    pub fn scan(&mut self, bytes: &[u8]) {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            match self.state {
                State::Lost => return,
                State::Payload => {
                    let most = bytes.len() - at;
                    let run = usize::try_from(self.left).unwrap_or(usize::MAX).min(most);
                    self.left -= run as u64;
                    at += run;
                    if self.left == 0 {
                        self.state = State::First;
                    }
                }
                _ => {
                    self.state = self.header(byte);
                    at += 1;
                }
            }
        }
    }

    /// Whether the last byte ended a frame, so that a frame of one's own may follow. Between the
    /// fragments of a message that is so for control frames only, and close is one.
    pub fn at_boundary(&self) -> bool {
        self.state == State::First
    }

    /// Whether a close frame has begun; its sender sends nothing behind it.
    pub fn saw_close(&self) -> bool {
        self.close
    }

    /// Takes one byte of a frame header.
    fn header(&mut self, byte: u8) -> State {
        match self.state {
            State::First => {
                self.first = byte;
                // RSV1 is permessage-deflate; no extension in use sets RSV2 or RSV3.
                let opcode = byte & 0x0f;
                let known = matches!(opcode, 0x0..=0x2 | 0x8..=0xa) && byte & 0x30 == 0;
                let whole = opcode < 0x8 || byte & 0x80 != 0;
                if known && whole { State::Second } else { State::Lost }
            }
            State::Second => self.second(byte),
            State::Length => {
                self.left = self.left << 8 | u64::from(byte);
                self.length_bytes -= 1;
                match self.length_bytes {
                    0 if self.left > i64::MAX as u64 => State::Lost,
                    0 => self.begin(),
                    _ => State::Length,
                }
            }
            State::Mask => {
                self.mask_bytes -= 1;
                self.begin()
            }
            State::Payload | State::Lost => State::Lost,
        }
    }

    /// The byte of mask bit and short length.
    fn second(&mut self, byte: u8) -> State {
        let length = byte & 0x7f;
        let is_control = self.first & 0x08 != 0;
        if is_control && length > 125 {
            return State::Lost;
        }
        self.close |= self.first & 0x0f == 0x8;
        self.mask_bytes = if byte & 0x80 != 0 { 4 } else { 0 };
        (self.length_bytes, self.left) = match length {
            126 => (2, 0),
            127 => (8, 0),
            _ => (0, u64::from(length)),
        };
        self.begin()
    }

    /// What follows what has been read of the header.
    fn begin(&self) -> State {
        match (self.length_bytes, self.mask_bytes, self.left) {
            (1.., _, _) => State::Length,
            (0, 1.., _) => State::Mask,
            (0, 0, 0) => State::First,
            _ => State::Payload,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(bytes: &[u8]) -> FrameScanner {
        let mut scanner = FrameScanner::new();
        scanner.scan(bytes);
        scanner
    }

    fn frame(first: u8, length: usize, masked: bool) -> Vec<u8> {
        let mask_bit = if masked { 0x80 } else { 0 };
        let mut frame = vec![first];
        match length {
            0..=125 => frame.push(mask_bit | length as u8),
            126..=65535 => {
                frame.push(mask_bit | 126);
                frame.extend((length as u16).to_be_bytes());
            }
            _ => {
                frame.push(mask_bit | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend(std::iter::repeat_n(0x81, if masked { 4 } else { 0 } + length));
        frame
    }

    #[test]
    fn it_is_small() {
        assert!(size_of::<FrameScanner>() <= 24);
    }

    #[test]
    fn boundaries_are_exactly_the_ends_of_frames_in_any_split() {
        let frames = [
            frame(0x81, 0, false),
            frame(0x82, 5, true),
            frame(0x01, 125, false),
            frame(0x89, 4, true),
            frame(0x80, 126, true),
            frame(0xc1, 65535, false),
            frame(0x82, 65536, true),
            frame(0x88, 2, true),
        ];
        let mut ends = vec![0];
        for frame in &frames {
            ends.push(ends.last().expect("never empty") + frame.len());
        }
        let bytes = frames.concat();
        let mut one_by_one = FrameScanner::new();
        for at in 0..=bytes.len() {
            assert_eq!(one_by_one.at_boundary(), ends.contains(&at), "at {at}");
            if at % 97 == 0 || ends.contains(&at) {
                assert_eq!(after(&bytes[..at]).at_boundary(), one_by_one.at_boundary(), "at {at}");
            }
            one_by_one.scan(&bytes[at..(at + 1).min(bytes.len())]);
        }
        assert!(one_by_one.saw_close());
    }

    #[test]
    fn close_is_seen_with_its_header() {
        assert!(!after(&[0x88]).saw_close());
        assert!(after(&[0x88, 0x80]).saw_close());
        assert!(!after(&frame(0x8a, 3, true)).saw_close());
    }

    #[test]
    fn behind_nonsense_there_are_no_boundaries() {
        for nonsense in [[0x83, 0], [0x8b, 0], [0xa1, 0], [0x91, 0], [0x09, 0], [0x89, 126]] {
            let mut scanner = after(&nonsense);
            assert!(!scanner.at_boundary(), "{nonsense:x?}");
            scanner.scan(&frame(0x81, 0, false));
            assert!(!scanner.at_boundary() && !scanner.saw_close(), "{nonsense:x?}");
        }
        assert!(!after(&[0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0]).at_boundary());
    }
}

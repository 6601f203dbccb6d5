//! A file that is only read: what the database writes while it repairs and checks itself stays in memory.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::unix::fs::FileExt;

use parking_lot::Mutex;
use redb::StorageBackend;

use super::super::medium::Medium;

/// Bytes of a piece that is kept apart from the file.
const PIECE: usize = 4096;

/// The file and what was written over it.
#[derive(Debug)]
pub(super) struct Overlaid {
    file: File,
    written: Mutex<Written>,
}

#[derive(Debug, Default)]
struct Written {
    /// By their number from the start of the file.
    pieces: BTreeMap<u64, Vec<u8>>,
    /// The length, once it was changed.
    len: Option<u64>,
}

impl Overlaid {
    pub(super) fn new(file: File) -> Self {
        Self { file, written: Mutex::default() }
    }

    /// A piece as it is now, with zeros beyond the end of the file.
    fn piece(&self, written: &Written, number: u64) -> io::Result<Vec<u8>> {
        if let Some(piece) = written.pieces.get(&number) {
            return Ok(piece.clone());
        }
        let mut piece = vec![0; PIECE];
        let mut filled = 0;
        while filled < PIECE {
            match self.file.read_at(&mut piece[filled..], number * PIECE as u64 + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(piece)
    }
}

/// Takes a range of the file apart: number of a piece, where in it, and which part of the range.
fn pieces(offset: u64, length: usize) -> impl Iterator<Item = (u64, usize, Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let at = offset + done as u64;
        let within = usize::try_from(at % PIECE as u64).unwrap_or_default();
        let part = done..length.min(done + PIECE - within);
        done = part.end;
        (!part.is_empty()).then_some((at / PIECE as u64, within, part))
    })
}

impl StorageBackend for Overlaid {
    fn len(&self) -> io::Result<u64> {
        let len = self.written.lock().len;
        len.map_or_else(|| Ok(self.file.metadata()?.len()), Ok)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if offset + out.len() as u64 > StorageBackend::len(self)? {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let written = self.written.lock();
        for (number, within, part) in pieces(offset, out.len()) {
            let piece = self.piece(&written, number)?;
            out[part.clone()].copy_from_slice(&piece[within..within + part.len()]);
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.written.lock().len = Some(len);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let len = StorageBackend::len(self)?.max(offset + data.len() as u64);
        let mut written = self.written.lock();
        written.len = Some(len);
        for (number, within, part) in pieces(offset, data.len()) {
            let mut piece = self.piece(&written, number)?;
            piece[within..within + part.len()].copy_from_slice(&data[part]);
            written.pieces.insert(number, piece);
        }
        Ok(())
    }
}

impl Medium for Overlaid {
    fn give_up_cached(&self) {}
}

//! The thread that writes the access log.

use std::fs::{File, OpenOptions};
use std::io::{self, Stdout, Write};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender};

use super::{Shared, ring};

/// Messages that may wait: enough for every block of sixteen workers.
pub(super) const QUEUE: usize = 1024;

/// What rings and owner send.
#[derive(Debug)]
pub(super) enum Message {
    /// Whole lines, and where the emptied block goes.
    Lines(Vec<u8>, SyncSender<Vec<u8>>),
    /// Look at the flags.
    Wake,
    /// Write nothing that comes later.
    Stop,
}

/// Where lines go.
#[derive(Debug)]
pub(super) enum Output {
    /// A file, kept with its path for the next opening.
    File(PathBuf, File),
    /// Standard output; opening it anew does nothing.
    Stdout(Stdout),
}

impl Output {
    /// Opens the file for appending, or standard output.
    pub(super) fn open(path: Option<PathBuf>) -> io::Result<Self> {
        match path {
            Some(path) => open_file(&path).map(|file| Self::File(path, file)),
            None => Ok(Self::Stdout(io::stdout())),
        }
    }

    fn reopen(&mut self) {
        if let Self::File(path, file) = self {
            match open_file(path) {
                Ok(new) => *file = new,
                Err(error) => {
                    tracing::error!(%error, path = %path.display(), "access log: cannot open the file, going on with the old one");
                }
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(_, file) => file.write(bytes),
            Self::Stdout(stdout) => {
                let mut lock = stdout.lock();
                lock.write_all(bytes)?;
                lock.flush().map(|()| bytes.len())
            }
        }
    }
}

fn open_file(path: &PathBuf) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

/// Writes until told to stop or every sender is gone.
pub(super) fn run(mut output: Output, receiver: Receiver<Message>, shared: &Shared) {
    let mut state = State::default();
    while let Ok(message) = receiver.recv() {
        if shared.reopen.swap(false, Ordering::Acquire) {
            output.reopen();
        }
        match message {
            Message::Lines(block, give_back) => {
                let lost = state.write_block(&mut output, &block);
                shared.lost.fetch_add(lost, Ordering::Relaxed);
                ring::recycle(block, &give_back);
            }
            Message::Wake => {}
            Message::Stop => return,
        }
    }
}

#[derive(Debug, Default)]
struct State {
    /// The last write ended inside a line.
    torn: bool,
    /// The last write failed; said once, not once a block.
    failing: bool,
}

impl State {
    /// Writes whole lines; the answer is how many were lost.
    fn write_block(&mut self, output: &mut Output, block: &[u8]) -> u64 {
        let mut rest = block;
        let result = self.mend(output).and_then(|()| {
            while !rest.is_empty() {
                match output.write(rest) {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(n) => rest = &rest[n..],
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(())
        });
        match result {
            Ok(()) => {
                if std::mem::take(&mut self.failing) {
                    tracing::info!("access log: writing again");
                }
                0
            }
            Err(error) => {
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::error!(%error, "access log: cannot write, lines are lost until it can");
                }
                let written = &block[..block.len() - rest.len()];
                self.torn |= written.last().is_some_and(|&byte| byte != b'\n');
                rest.iter().filter(|&&byte| byte == b'\n').count() as u64
            }
        }
    }

    /// Ends a line that was cut by a full disk, so that the next one stays readable.
    fn mend(&mut self, output: &mut Output) -> io::Result<()> {
        if self.torn {
            output.write(b"\n")?;
            self.torn = false;
        }
        Ok(())
    }
}

//! Ctrl-C: children killed, scratch folders removed, exit code 130.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::{fs, io, thread};

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal};
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};

/// What an interrupted run leaves to clean up.
struct Leftovers {
    children: Vec<Pid>,
    folders: Vec<PathBuf>,
}

static LEFTOVERS: Mutex<Leftovers> = Mutex::new(Leftovers { children: Vec::new(), folders: Vec::new() });

fn leftovers() -> MutexGuard<'static, Leftovers> {
    // A list of ids is never half changed.
    LEFTOVERS.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn register(child: Pid) {
    leftovers().children.push(child);
}

pub(super) fn forget(child: Pid) {
    leftovers().children.retain(|pid| *pid != child);
}

/// A folder for configurations and logs, gone afterwards whatever ends the run.
pub(crate) struct Scratch(TempDir);

impl Scratch {
    pub(crate) fn new() -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("speedmimi-bench-").tempdir()?;
        leftovers().folders.push(dir.path().to_owned());
        Ok(Self(dir))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        leftovers().folders.retain(|path| path != self.0.path());
    }
}

/// Watches for SIGINT, SIGTERM and SIGHUP on a thread of its own from here on.
pub(crate) fn watch() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let watcher = move || -> io::Result<()> {
        runtime.block_on(async {
            let mut interrupt = signal(SignalKind::interrupt())?;
            let mut terminate = signal(SignalKind::terminate())?;
            let mut hangup = signal(SignalKind::hangup())?;
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
            clean_up();
            std::process::exit(130)
        })
    };
    thread::Builder::new().name("signals".to_owned()).spawn(watcher).context("cannot watch for signals")?;
    Ok(())
}

fn clean_up() {
    let left = leftovers();
    for child in &left.children {
        // It may have ended just now.
        let _ = rustix::process::kill_process_group(*child, Signal::KILL);
    }
    for folder in &left.folders {
        let _ = fs::remove_dir_all(folder);
    }
}

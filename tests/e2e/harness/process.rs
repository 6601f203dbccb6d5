//! A program under test: started, watched, signalled, and killed when the test ends.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::wait::{eventually, eventually_some};

/// The data plane.
pub const SPEEDMIMI: &str = env!("CARGO_BIN_EXE_speedmimi");
/// The command line.
pub const SPEEDCTL: &str = env!("CARGO_BIN_EXE_speedctl");

/// Lines that a program wrote, as they come.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    fn follow(&self, from: impl Read + Send + 'static) -> JoinHandle<()> {
        let lines = self.clone();
        thread::spawn(move || {
            for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
                lines.with(|all| all.push(String::from_utf8_lossy(&line).into_owned()));
            }
        })
    }

    fn with<T>(&self, use_: impl FnOnce(&mut Vec<String>) -> T) -> T {
        use_(&mut self.0.lock().expect("no thread panics while it holds lines"))
    }

    fn all(&self) -> Vec<String> {
        self.with(|all| all.clone())
    }
}

/// A running program.
pub struct Process {
    child: Child,
    name: String,
    out: Lines,
    log: Lines,
    readers: Vec<JoinHandle<()>>,
    _state: TempDir,
}

impl Process {
    /// Starts the command. Environment variables that change how the programs behave are taken away.
    #[track_caller]
    pub fn start(command: &mut Command) -> Self {
        let name = format!("{command:?}");
        for (key, _) in std::env::vars().filter(|(key, _)| key.starts_with("SPEEDCTL_") || key == "RUST_LOG") {
            command.env_remove(key);
        }
        // What is kept of a test is its own, and goes with it.
        command.env_remove("STATE_DIRECTORY");
        let state = tempfile::tempdir().expect("a temporary folder can be made");
        if command.get_envs().all(|(key, _)| key != "XDG_STATE_HOME") {
            command.env("XDG_STATE_HOME", state.path());
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let (out, log) = (Lines::default(), Lines::default());
        let readers = vec![
            out.follow(child.stdout.take().expect("stdout is piped")),
            log.follow(child.stderr.take().expect("stderr is piped")),
        ];
        Self { child, name, out, log, readers, _state: state }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Lines on stdout so far.
    pub fn out(&self) -> Vec<String> {
        self.out.all()
    }

    /// Lines on stderr so far.
    pub fn log(&self) -> Vec<String> {
        self.log.all()
    }

    /// Waits for a line on stdout that `pick` takes.
    #[track_caller]
    pub fn out_line<T>(&mut self, what: &str, mut pick: impl FnMut(&str) -> Option<T>) -> T {
        let (out, log) = (self.out.clone(), self.log.clone());
        eventually_some(what, || {
            let found = out.all().iter().find_map(|line| pick(line));
            if found.is_none()
                && let Some(status) = self.exited()
            {
                panic!("{} ended ({status}) before: {what}\n{}", self.name, log.all().join("\n"));
            }
            found
        })
    }

    /// Waits for a line on stderr that contains this text.
    #[track_caller]
    pub fn wait_log(&self, text: &str) {
        eventually(&format!("{text:?} in the log"), || self.log().iter().any(|line| line.contains(text)));
    }

    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).unwrap_or_else(|error| panic!("{signal:?} to {}: {error}", self.name));
    }

    /// How it ended, if it did.
    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("the child is ours to wait for")
    }

    /// Waits for the end and for the last line it wrote.
    #[track_caller]
    pub fn wait_exit(&mut self) -> ExitStatus {
        let status = eventually_some("the process ends", || self.exited());
        for reader in self.readers.drain(..) {
            reader.join().expect("reading lines does not panic");
        }
        status
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("---- {} ----", self.name);
            self.out.all().iter().for_each(|line| eprintln!("out: {line}"));
            self.log.all().iter().for_each(|line| eprintln!("log: {line}"));
        }
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a command that ended left behind.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ended {
    /// Fails unless the exit code is this one.
    #[track_caller]
    pub fn assert_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }
}

/// Runs a command to its end.
#[track_caller]
pub fn run(command: &mut Command) -> Ended {
    let mut process = Process::start(command);
    let code = process.wait_exit().code();
    Ended { code, out: process.out().join("\n"), err: process.log().join("\n") }
}

//! Children that stay where they are pinned and never outlive the run.
//!
//! Each child is this program again (`pinned`), which pins itself, asks the kernel for a signal when
//! its parent dies, raises its descriptor limit and then becomes the real program: all of it without
//! code between fork and exec.

mod interrupt;

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use std::{env, thread};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Resource, Signal};
use rustix::thread::CpuSet;

pub(crate) use self::interrupt::{Scratch, watch};

/// A program to start.
pub(crate) struct Launch<'a> {
    /// In messages, and the stem of its log files.
    pub(crate) name: &'a str,
    pub(crate) core: usize,
    pub(crate) program: &'a Path,
    pub(crate) args: Vec<String>,
    /// Where its output goes.
    pub(crate) dir: &'a Path,
    /// Its standard output is read by [`Child::line`] instead of going to a file.
    pub(crate) announces: bool,
}

/// A running child and all it starts (one process group); killed when dropped.
pub(crate) struct Child {
    inner: std::process::Child,
    pid: Pid,
    name: String,
    stderr: PathBuf,
    lines: Option<mpsc::Receiver<String>>,
}

impl Launch<'_> {
    pub(crate) fn start(self) -> Result<Child> {
        let stderr = self.dir.join(format!("{}.stderr", self.name));
        let mut command = Command::new(env::current_exe().context("where is this program?")?);
        command
            .args(["pinned", "--core", &self.core.to_string(), "--parent", &std::process::id().to_string(), "--"])
            .arg(self.program)
            .args(&self.args)
            .current_dir(self.dir)
            .process_group(0)
            .stdin(Stdio::null())
            .stderr(File::create(&stderr)?);
        if self.announces {
            command.stdout(Stdio::piped());
        } else {
            command.stdout(File::create(self.dir.join(format!("{}.stdout", self.name)))?);
        }
        let mut inner = command.spawn().with_context(|| format!("cannot start {}", self.name))?;
        let pid = Pid::from_child(&inner);
        interrupt::register(pid);
        let lines = inner.stdout.take().map(|stdout| {
            let (sender, receiver) = mpsc::channel();
            // Ends with the child: its standard output closes.
            thread::spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    // Nobody may be listening any more; the pipe must still be emptied.
                    let _ = sender.send(line);
                }
            });
            receiver
        });
        Ok(Child { inner, pid, name: self.name.to_owned(), stderr, lines })
    }
}

impl Child {
    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// The next line of its standard output.
    pub(crate) fn line(&mut self, deadline: Duration) -> Result<String> {
        let received = self.lines.as_ref().and_then(|lines| lines.recv_timeout(deadline).ok());
        received.with_context(|| format!("{} announced nothing within {deadline:?}{}", self.name, self.complaint()))
    }

    /// What it wrote to standard error so far.
    pub(crate) fn stderr(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap_or_default()
    }

    /// An error if it has ended.
    pub(crate) fn check(&mut self) -> Result<()> {
        match self.inner.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{} ended early with {status}{}", self.name, self.complaint()),
        }
    }

    /// Sends it `signal` and waits for its end.
    pub(crate) fn finish(&mut self, signal: Signal, deadline: Duration) -> Result<ExitStatus> {
        rustix::process::kill_process(self.pid, signal)?;
        let until = Instant::now() + deadline;
        loop {
            if let Some(status) = self.inner.try_wait()? {
                return Ok(status);
            }
            if Instant::now() >= until {
                bail!("{} did not end within {deadline:?} of {signal:?}", self.name);
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn complaint(&self) -> String {
        let text = self.stderr();
        let tail: Vec<&str> = text.lines().rev().take(8).collect();
        let mut said = String::new();
        for line in tail.iter().rev() {
            said.push_str("\n    ");
            said.push_str(line);
        }
        if said.is_empty() { String::new() } else { format!("; it wrote:{said}") }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Before the wait, while the process id is still ours; it fails when all have ended.
        let _ = rustix::process::kill_process_group(self.pid, Signal::KILL);
        let _ = self.inner.wait();
        interrupt::forget(self.pid);
    }
}

/// The `pinned` subcommand: becomes `command`, pinned to `core`, dying with process `parent`.
pub(crate) fn become_pinned(core: usize, parent: u32, command: &[String]) -> Result<()> {
    let Some((program, args)) = command.split_first() else { bail!("pinned: no program given") };
    pin(core)?;
    // SIGTERM, not SIGKILL: nginx's master passes it on to the worker that the kernel would not tell.
    let death = if program.ends_with("nginx") { Signal::TERM } else { Signal::KILL };
    rustix::process::set_parent_process_death_signal(Some(death))?;
    if rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get().unsigned_abs()) != Some(parent) {
        bail!("pinned: the parent has gone");
    }
    raise_descriptors()?;
    let error = Command::new(program).args(args).exec();
    Err(error).with_context(|| format!("cannot run {program}"))
}

/// Pins the calling thread, and what it starts, to one core.
pub(crate) fn pin(core: usize) -> Result<()> {
    let mut set = CpuSet::new();
    if core >= CpuSet::MAX_CPU {
        bail!("core {core} does not exist");
    }
    set.set(core);
    rustix::thread::sched_setaffinity(None, &set).with_context(|| format!("cannot pin to core {core}"))
}

/// The soft descriptor limit becomes the hard one.
pub(crate) fn raise_descriptors() -> Result<()> {
    let mut limit = rustix::process::getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    Ok(rustix::process::setrlimit(Resource::Nofile, limit)?)
}

/// Timers of this process fire when asked, not up to 50 µs later. An open loop sleeps less than that.
pub(crate) fn sharpen_timers() {
    // Where the file is missing, latencies are up to 50 µs worse for every contender alike.
    let _ = fs::write("/proc/self/timerslack_ns", "1");
}

/// Finds a program by name in PATH and the places where servers live, or takes a path as it is.
pub(crate) fn find(program: &str) -> Result<PathBuf> {
    if program.contains('/') {
        let path = PathBuf::from(program);
        return if path.is_file() { Ok(fs::canonicalize(path)?) } else { bail!("{program} does not exist") };
    }
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from))
        .map(|dir| dir.join(program))
        .find(|candidate| candidate.is_file())
        .with_context(|| {
            format!(
                "{program} is not installed (not in PATH, not in /usr/sbin): install it, or leave it out with --only"
            )
        })
}

//! The error log: what the process says about itself, to standard error or a file.
//!
//! Levels are defined by who must act. `error`: the operator, now: something the proxy should do it is not doing.
//! `warn`: the operator, soon: it works, but less well than configured. `info`: nobody; the state changed. `debug`:
//! whoever is looking for a fault; never a line an exchange, that is the access log. A message is its fields, then
//! one sentence.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use speedmimi_model::Level;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry, fmt, reload};

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// One object a line: `timestamp`, `level`, `target`, `message` and the fields.
    Json,
}

/// Where lines go. Standard error is not buffered; a file is written a line at a time, so that nothing is lost when
/// the process dies. Lines are rare: no worker writes one for an exchange.
#[derive(Debug, Clone)]
pub struct ErrorLog(Option<Arc<LogFile>>);

#[derive(Debug)]
struct LogFile {
    path: PathBuf,
    file: Mutex<File>,
}

impl ErrorLog {
    /// Opens the file for appending, or standard error without one.
    pub fn open(path: Option<PathBuf>) -> io::Result<Self> {
        let open = |path: PathBuf| io::Result::Ok(Arc::new(LogFile { file: Mutex::new(append(&path)?), path }));
        path.map(open).transpose().map(Self)
    }

    /// Opens the file anew (SIGUSR1, after a rotation); on failure the old one stays in use.
    pub fn reopen(&self) -> io::Result<()> {
        if let Some(log) = &self.0 {
            let new = append(&log.path)?;
            *log.file.lock() = new;
        }
        Ok(())
    }

    /// Sends everything at or above the level here, for the whole process. Libraries speak from `warn` on, unless the
    /// level is `debug` or lower. The first call wins: later ones change nothing. The switch changes the level.
    pub fn install(&self, level: LevelFilter, format: Option<Format>) -> Switch {
        let (subscriber, switch) = self.subscriber(level, format);
        // Fails only when a subscriber is in place already, as in tests that start several proxies in one process.
        let _ = tracing::subscriber::set_global_default(subscriber);
        switch
    }

    /// The same for this thread, until the guard is dropped.
    pub fn install_here(&self, level: LevelFilter, format: Option<Format>) -> (DefaultGuard, Switch) {
        let (subscriber, switch) = self.subscriber(level, format);
        (tracing::subscriber::set_default(subscriber), switch)
    }

    fn subscriber(
        &self,
        level: LevelFilter,
        format: Option<Format>,
    ) -> (impl tracing::Subscriber + Send + Sync + use<>, Switch) {
        let terminal = self.0.is_none() && io::stderr().is_terminal();
        let (filter, switch) = reload::Layer::new(targets(level));
        let layer = fmt::layer().with_writer(self.clone()).with_ansi(terminal);
        let layer = match format.unwrap_or(if terminal { Format::Text } else { Format::Json }) {
            Format::Text => layer.with_target(false).boxed(),
            Format::Json => layer.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed(),
        };
        (Registry::default().with(layer.with_filter(filter)), Switch(switch))
    }
}

fn targets(level: LevelFilter) -> Targets {
    let libraries = if level >= LevelFilter::DEBUG { LevelFilter::INFO } else { level.min(LevelFilter::WARN) };
    Targets::new().with_default(libraries).with_target("speedmimi", level).with_target("audit", LevelFilter::INFO)
}

/// Changes the level of a log that was installed.
#[derive(Debug, Clone)]
pub struct Switch(reload::Handle<Targets, Registry>);

impl Switch {
    /// From now on.
    pub fn set(&self, level: LevelFilter) {
        // Fails only once the log is gone.
        let _ = self.0.reload(targets(level));
    }
}

/// A level of the configuration as the log takes it.
pub fn filter(level: Level) -> LevelFilter {
    match level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    }
}

fn append(path: &PathBuf) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

impl<'a> MakeWriter<'a> for ErrorLog {
    type Writer = Line;
    fn make_writer(&'a self) -> Line {
        Line(self.0.clone())
    }
}

/// The writer of one line.
#[derive(Debug)]
pub struct Line(Option<Arc<LogFile>>);

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &self.0 {
            Some(log) => log.file.lock().write(bytes),
            None => io::stderr().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::Value;
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn lines_are_json_objects_and_reopening_starts_a_new_file() {
        let folder = TempDir::new().expect("a folder");
        let (path, old) = (folder.path().join("error.log"), folder.path().join("error.log.1"));
        let log = ErrorLog::open(Some(path.clone())).expect("a new file");
        let (guard, _) = log.install_here(LevelFilter::INFO, None);
        tracing::info!(target: "speedmimi_proxy::x", backend = "b1", "is up\nagain");
        tracing::debug!(target: "speedmimi_proxy::x", "not at this level");
        tracing::info!(target: "hyper", "not from a library");
        fs::rename(&path, &old).expect("rotated");
        log.reopen().expect("a new file");
        tracing::error!(target: "hyper", "from a library");
        drop(guard);
        let read = |path| fs::read_to_string(path).expect("written");
        let first: Value = serde_json::from_str(&read(old)).expect("one line");
        assert_eq!((&first["level"], &first["message"]), (&"INFO".into(), &"is up\nagain".into()));
        assert_eq!(first["backend"], "b1");
        assert!(read(path).contains("from a library"));
    }

    #[test]
    fn text_is_for_people() {
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().join("error.log");
        let log = ErrorLog::open(Some(path.clone())).expect("a new file");
        let (guard, _) = log.install_here(LevelFilter::DEBUG, Some(Format::Text));
        tracing::warn!(target: "speedmimi_proxy::x", path = "/p", "cannot");
        drop(guard);
        let text = fs::read_to_string(path).expect("written");
        assert!(text.contains("WARN cannot path=\"/p\"") && !text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn the_switch_changes_the_level_while_it_runs() {
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().join("error.log");
        let log = ErrorLog::open(Some(path.clone())).expect("a new file");
        let (guard, switch) = log.install_here(LevelFilter::WARN, None);
        for (level, word) in [(None, "one"), (Some(LevelFilter::DEBUG), "two"), (Some(LevelFilter::WARN), "three")] {
            level.into_iter().for_each(|level| switch.set(level));
            tracing::debug!(target: "speedmimi_proxy::x", word);
        }
        drop(guard);
        let text = fs::read_to_string(path).expect("written");
        assert!(text.contains("two") && !text.contains("one") && !text.contains("three"), "{text}");
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_an_error_of_the_start() {
        assert!(ErrorLog::open(Some("/nowhere/error.log".into())).is_err());
    }
}

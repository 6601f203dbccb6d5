//! Starts everything in order and stops it in reverse.
//!
//! Parse, raise the descriptor limit, bind every socket, open the logs, resolve names; then workers, then management,
//! then say so. Nothing serves before everything is bound, and what cannot start leaves nothing behind.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use speedmimi_model::{Config, LogFormat};
use tokio::time::timeout;

use crate::access::Access;
use crate::admin;
use crate::control::{Caller, Control, Controller, Guard, Lifecycle, Phase, Setup, Stopping, StoreError};
use crate::live::Live;
use crate::telemetry::access_log::AccessLog;
use crate::telemetry::log::{self, ErrorLog};
use crate::worker::{self, Workers, mailbox::Message};

mod announce;
pub mod descriptors;
mod signals;
mod sockets;

use announce::Ready;
use signals::{Asked, Signals};
use sockets::{Grpc, Sockets};

/// Exit code for bad usage or configuration (EX_USAGE of sysexits.h).
pub const EXIT_USAGE: u8 = 64;
/// How long workers may take to close everything when they are told to stop.
const STOP: Duration = Duration::from_secs(2);

/// Where the configuration comes from.
#[derive(Debug)]
pub enum ConfigSource {
    /// A file, read again on reload.
    File(PathBuf),
    /// The command line; cannot be reloaded.
    Inline(Box<Config>),
}

/// What to run and what to say.
#[derive(Debug)]
pub struct Options {
    /// The configuration.
    pub config: ConfigSource,
    /// Print one JSON line with the bound addresses on stdout.
    pub announce: bool,
}

/// Why the process could not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// The main listener.
    #[error("server: cannot listen on {address}: {error}")]
    Listen {
        /// What was asked for.
        address: String,
        /// What the system said.
        error: io::Error,
    },
    /// A management listener.
    #[error(transparent)]
    Management(#[from] admin::bind::BindError),
    /// The store of changes made through the API.
    #[error(transparent)]
    State(#[from] StoreError),
    /// The error log.
    #[error("log.file: {0}")]
    ErrorLog(io::Error),
    /// The access log.
    #[error("access_log.file: {0}")]
    AccessLog(io::Error),
    /// Threads, runtimes, signals.
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
    /// A thread or task that must not end did; its message is in the log.
    #[error("{0} ended unexpectedly")]
    Lost(String),
    /// The control thread panicked; its message is in the log.
    #[error("the control thread ended unexpectedly")]
    Control,
}

/// How long a write that is under way at the end may take.
const LAST_WRITE: Duration = Duration::from_secs(2);
/// Priority of the control thread below that of the workers: a third of a worker's share of a core that both want
/// (sched(7): a factor of 1.25 for each step).
const CONTROL_NICE: i32 = 5;

/// Runs the proxy until it is told to stop. 0 done, 1 could not start, 64 bad configuration.
pub fn run(options: Options) -> ExitCode {
    let Options { config, announce } = options;
    let (config, file) = match config {
        ConfigSource::Inline(config) => (*config, None),
        ConfigSource::File(path) => match crate::control::load(&path) {
            Ok(config) => (config, Some(path)),
            Err(error) => {
                // Standard error may be closed; the exit code says it too.
                let _ = writeln!(io::stderr(), "{}", error.with_lines());
                return ExitCode::from(EXIT_USAGE);
            }
        },
    };
    let access = match Access::load(&config) {
        Ok(access) => Arc::new(access),
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}");
            return ExitCode::from(EXIT_USAGE);
        }
    };
    let control = std::thread::Builder::new().name("control".into()).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let served = runtime.block_on(serve(config, file, access, announce));
        // A write to the disk ends; the look-up of a name may take a minute and nobody wants to know.
        runtime.shutdown_timeout(LAST_WRITE);
        served
    });
    let result = match control {
        Ok(thread) => thread.join().unwrap_or(Err(StartError::Control)),
        Err(error) => Err(error.into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "speedmimi: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(config: Config, file: Option<PathBuf>, access: Arc<Access>, announce: bool) -> Result<(), StartError> {
    let mut signals = Signals::listen()?;
    let error_log = ErrorLog::open(config.log.file.clone()).map_err(StartError::ErrorLog)?;
    let level = config.log.level;
    let switch = error_log.install(log::filter(level), config.log.format.map(format));
    access.warn();
    let descriptors = descriptors::raise();
    warn_of_few_descriptors(&config, descriptors);
    let workers = worker_count(&config);
    let Sockets { main, grpc, admin } = Sockets::bind(&config, workers)?;
    let says = Ready::new(&main, grpc.as_ref(), admin.as_ref());
    let access_log = config.access_log.as_ref().map(AccessLog::open).transpose().map_err(StartError::AccessLog)?;
    let live = Arc::new(Live::new(workers));
    let lifecycle = Arc::new(Lifecycle::new());
    let setup = Setup { config, file, live: live.clone(), lifecycle: lifecycle.clone(), descriptors };
    let (controller, control) = Controller::prepare(setup).await?;
    control.guarded_by(access.clone());
    control.log_level().attach(switch, level);
    let mut workers = worker::start(main, &controller.snapshot(), &live, access_log.as_ref())?;
    let mailboxes = workers.mailboxes();
    yield_to_workers();
    let mut controller = tokio::spawn(controller.run(mailboxes.clone()));
    let facts = says.facts(descriptors);
    let (grpc, admin) = (grpc.map(Grpc::into_endpoint), admin.map(|(listener, _)| listener));
    let faces = admin::start(grpc, admin, &control, facts, &access).await?;
    lifecycle.enter(Phase::Serving);
    says.log();
    if announce {
        says.print()?;
    }
    // A proxy that has lost a thread serves some and fails others: better to end, and be started anew.
    tokio::select! {
        () = until_stopped(&mut signals, &control, &error_log, access_log.as_deref()) => {}
        index = workers.lost() => return Err(StartError::Lost(format!("worker {index}"))),
        _ = &mut controller => return Err(StartError::Lost("the control task".into())),
    }
    drain(&mut workers, &mut signals, &control).await;
    if lifecycle.stopping().is_some_and(|stopping| stopping.by != Caller::signal()) {
        // Whoever asked for the end is still to hear that it was understood.
        faces.close().await;
    }
    Ok(())
}

/// Where a core is short, exchanges come before their management: this thread, and those it starts from now on to write
/// and to look up names, get the smaller share and do not hold a worker up.
fn yield_to_workers() {
    if let Err(error) = rustix::process::nice(CONTROL_NICE) {
        tracing::debug!(%error, "the priority of the control thread stays as it is");
    }
}

/// Serves signals until one of them, or the management API, says stop.
async fn until_stopped(signals: &mut Signals, control: &Control, error_log: &ErrorLog, access_log: Option<&AccessLog>) {
    let mut stopping = control.lifecycle().watch_stopping();
    loop {
        let asked = tokio::select! {
            // First: a signal that comes while the API has begun the end is the first one during it, and is counted
            // there. The sender lives as long as the process.
            biased;
            _ = stopping.changed() => return,
            asked = signals.next() => asked,
        };
        match asked {
            Asked::Stop => {
                let patience = control.view().store.config().server.graceful_timeout;
                control.lifecycle().stop(patience, &Caller::signal());
                return;
            }
            Asked::Reload => {
                let control = control.clone();
                let guard = Guard { by: Caller::signal(), verb: "ReloadConfig", ..Guard::default() };
                // Its result is logged where it is made; signals go on being heard meanwhile.
                tokio::spawn(async move { drop(control.reload(guard, None).await) });
            }
            Asked::Reopen => {
                if let Err(error) = error_log.reopen() {
                    tracing::error!(%error, "the error log cannot be opened anew, the old file stays in use");
                }
                if let Some(log) = access_log {
                    log.reopen();
                }
            }
        }
    }
}

/// Lets exchanges finish for as long as was said, or until somebody is in a hurry.
async fn drain(workers: &mut Workers, signals: &mut Signals, control: &Control) {
    if let Some(Stopping { deadline, by }) = control.lifecycle().stopping() {
        let patience = deadline.saturating_duration_since(Instant::now());
        let (who, from) = (&*by.who, &*by.from);
        tracing::info!(who, from, active = workers.active(), patience_s = patience.as_secs_f64().round(), "draining");
    }
    let mailboxes = workers.mailboxes();
    let finished = async {
        mailboxes.broadcast(|| Message::Drain).await;
        workers.finished().await;
    };
    let ended = tokio::select! {
        () = finished => true,
        () = patience_is_over(signals, control.lifecycle()) => false,
    };
    if !ended {
        tracing::warn!(active = workers.active(), "ending exchanges that did not finish");
        let stopped = async {
            mailboxes.broadcast(|| Message::Stop).await;
            workers.finished().await;
        };
        // Workers that do not hear it end with the process.
        let _ = timeout(STOP, stopped).await;
    }
    tracing::info!("stopped");
}

/// Waits for the deadline, which may be brought forward through the API, or for a signal. The first signal does not
/// hurry an end that the API asked for: an orchestrator first calls, then signals, and means one thing.
async fn patience_is_over(signals: &mut Signals, lifecycle: &Lifecycle) {
    let mut stopping = lifecycle.watch_stopping();
    let mut signalled = false;
    loop {
        let Some(Stopping { deadline, by }) = stopping.borrow_and_update().clone() else { return };
        tokio::select! {
            () = tokio::time::sleep_until(deadline.into()) => return,
            // The sender lives as long as the process.
            _ = stopping.changed() => {}
            () = signals.stop() => {
                if signalled || by == Caller::signal() {
                    return;
                }
                signalled = true;
                tracing::info!("a signal to stop: draining already; another one ends it at once");
            }
        }
    }
}

fn worker_count(config: &Config) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    config.server.workers.map_or_else(cores, usize::from)
}

fn warn_of_few_descriptors(config: &Config, descriptors: u64) {
    let max_conn = config.server.max_conn;
    let effective = descriptors::carry(max_conn, descriptors);
    if effective < max_conn {
        tracing::warn!(max_conn, effective, descriptors, "server.max_conn is lowered to what descriptors can carry");
    }
}

fn format(format: LogFormat) -> log::Format {
    match format {
        LogFormat::Text => log::Format::Text,
        LogFormat::Json => log::Format::Json,
    }
}

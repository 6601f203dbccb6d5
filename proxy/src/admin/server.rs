//! `ServerService`.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use speedmimi_model::Level;
use speedmimi_proto::v1;
use speedmimi_proto::v1::server_service_server::ServerService;
use tonic::{Request, Response, Status};

use super::mutation::Mutation;
use super::status::Violations;
use super::watch::{self, Stream};
use super::{caller, convert, entry, stream};
use crate::control::audit::{Deed, LOG_LEVEL, SERVER};
use crate::control::{Control, Phase};

/// What the process is, as it was started.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Addresses that accept traffic, by name.
    pub listeners: Vec<(String, String)>,
    /// Address of this API.
    pub grpc: Option<String>,
    /// Address of the admin face.
    pub admin: Option<String>,
    /// Descriptors that may be open.
    pub descriptors: u64,
}

/// The service over the control thread.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) control: Control,
    pub(super) facts: Facts,
}

#[tonic::async_trait]
impl ServerService for Server {
    type WatchEventsStream = Stream<v1::WatchEventsResponse>;

    async fn watch_events(
        &self,
        request: Request<v1::WatchEventsRequest>,
    ) -> Result<Response<Self::WatchEventsStream>, Status> {
        watch::events::watch(&self.control, &caller::of(&request), request.into_inner()).map(Response::new)
    }

    async fn get_server_info(
        &self,
        _: Request<v1::GetServerInfoRequest>,
    ) -> Result<Response<v1::GetServerInfoResponse>, Status> {
        let Self { control, facts } = self;
        let lifecycle = control.lifecycle();
        let view = control.view();
        let listeners = facts.listeners.iter();
        let (level, level_until) = control.log_level().in_force();
        Ok(Response::new(v1::GetServerInfoResponse {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started_at: Some(lifecycle.started.into()),
            uptime: SystemTime::now().duration_since(lifecycle.started).ok().map(entry::duration),
            workers: u32::try_from(control.live().workers().len()).unwrap_or(u32::MAX),
            listeners: listeners
                .map(|(name, address)| v1::Listener { name: name.clone(), address: address.clone() })
                .collect(),
            grpc: facts.grpc.clone().unwrap_or_default(),
            admin: facts.admin.clone().unwrap_or_default(),
            revision: view.store.revision(),
            config_path: control.file().map(|path| path.display().to_string()).unwrap_or_default(),
            changes_are_volatile: control.home().is_volatile(),
            note: [Some(note(control)), control.home().note.as_deref()]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join("; "),
            state_dir: control.home().dir.as_ref().map(|dir| dir.display().to_string()).unwrap_or_default(),
            state_problem: control.home().problem().unwrap_or_default(),
            max_conn: view.snapshot.server.max_conn,
            descriptors: facts.descriptors,
            draining: lifecycle.phase() == Phase::Draining,
            log_level: wire_level(level).into(),
            log_level_until: level_until.map(Into::into),
            drain_deadline: lifecycle.stopping().map(|stopping| moment(stopping.deadline)),
        }))
    }

    async fn set_log_level(
        &self,
        request: Request<v1::SetLogLevelRequest>,
    ) -> Result<Response<v1::SetLogLevelResponse>, Status> {
        let mut violations = Violations::default();
        let (mutation, request) = Mutation::open("SetLogLevel", request, &mut violations);
        let v1::SetLogLevelRequest { level, ttl, reset, .. } = request;
        let guard = mutation.guard.clone();
        stream::refuse_revision(guard.expected_revision, &mut violations);
        let level = read_level(level, reset, &mut violations);
        let ttl = read_ttl(ttl, reset, &mut violations);
        violations.check()?;
        let control = self.control.clone();
        let work = async move {
            let levels = control.log_level();
            let (before, was_until) = levels.in_force();
            let (level, until) = match (level, guard.validate_only) {
                (Some(level), true) => (level, Some(SystemTime::now() + ttl)),
                (Some(level), false) => (level, Some(levels.set(level, ttl, &guard.by))),
                (None, true) => (levels.configured(), None),
                (None, false) => {
                    levels.reset(&guard.by);
                    (levels.configured(), None)
                }
            };
            let deed = Deed {
                object: LOG_LEVEL.into(),
                before: level_in_words(before, was_until),
                after: level_in_words(level, until),
            };
            let answer = v1::SetLogLevelResponse {
                level: wire_level(level).into(),
                until: until.map(Into::into),
                before: wire_level(before).into(),
            };
            Ok((answer, deed))
        };
        mutation.aside(&self.control, work).await
    }

    async fn drain_server(
        &self,
        request: Request<v1::DrainServerRequest>,
    ) -> Result<Response<v1::DrainServerResponse>, Status> {
        let mut violations = Violations::default();
        let (mutation, request) = Mutation::open("DrainServer", request, &mut violations);
        let v1::DrainServerRequest { graceful_timeout, now, .. } = request;
        let guard = mutation.guard.clone();
        stream::refuse_revision(guard.expected_revision, &mut violations);
        let given = graceful_timeout.map(|given| bounded("graceful_timeout", given, Duration::ZERO, &mut violations));
        if now && given.is_some() {
            violations.push("now", "waits for nothing; leave graceful_timeout out");
        }
        violations.check()?;
        let control = self.control.clone();
        let work = async move {
            let lifecycle = control.lifecycle();
            let default = || control.view().store.config().server.graceful_timeout;
            let patience = if now { Duration::ZERO } else { given.unwrap_or_else(default) };
            let live = control.live();
            let active: u64 = live.workers().iter().map(|cells| cells.active.get()).sum();
            let was = lifecycle.stopping().map(|stopping| moment(stopping.deadline));
            let (deadline, was_draining) = if guard.validate_only {
                let known = lifecycle.stopping().filter(|_| !now);
                let asked = Instant::now() + patience;
                (known.map_or(asked, |stopping| stopping.deadline), lifecycle.stopping().is_some())
            } else {
                let (stopping, before) = lifecycle.stop(patience, &guard.by);
                let (who, from) = (&*guard.by.who, &*guard.by.from);
                tracing::info!(
                    who,
                    from,
                    active,
                    now,
                    was_draining = before,
                    "the process is to end, asked through the API"
                );
                (stopping.deadline, before)
            };
            let draining = |until: &prost_types::Timestamp| format!("draining until {until}");
            let deadline = moment(deadline);
            let deed = Deed {
                object: SERVER.into(),
                before: format!("{}, active={active}", was.as_ref().map_or("serving".to_owned(), draining)),
                after: draining(&deadline),
            };
            let answer = v1::DrainServerResponse {
                active: u32::try_from(active).unwrap_or(u32::MAX),
                connections: live.connections.load(Ordering::Relaxed),
                deadline: Some(deadline),
                was_draining,
            };
            Ok((answer, deed))
        };
        mutation.aside(&self.control, work).await
    }
}

/// A level, and until when, as the audit log tells it.
fn level_in_words(level: Level, until: Option<SystemTime>) -> String {
    let word = wire_level(level).as_str_name().trim_start_matches("LOG_LEVEL_").to_ascii_lowercase();
    until.map_or_else(|| word.clone(), |until| format!("{word} until {}", prost_types::Timestamp::from(until)))
}

/// What becomes of changes when the process ends, for people.
fn note(control: &Control) -> &'static str {
    match (&control.home().dir, control.file()) {
        _ if control.home().problem().is_some() => "changes made through the API are refused until they can be kept",
        (Some(_), _) => "changes made through the API are kept: they are there after a restart",
        (None, Some(_)) => "changes made through the API end with the process: state.persist is false",
        (None, None) => {
            "changes made through the API end with the process: it was started without a configuration file"
        }
    }
}

/// How long a level lasts where nothing is said.
const TTL: Duration = Duration::from_secs(600);
/// The longest that a level lasts, or that a drain may take.
const DAY: Duration = Duration::from_secs(86_400);

fn read_level(number: i32, reset: bool, violations: &mut Violations) -> Option<Level> {
    let level = match v1::LogLevel::try_from(number) {
        Ok(v1::LogLevel::Unspecified) => None,
        Ok(v1::LogLevel::Error) => Some(Level::Error),
        Ok(v1::LogLevel::Warn) => Some(Level::Warn),
        Ok(v1::LogLevel::Info) => Some(Level::Info),
        Ok(v1::LogLevel::Debug) => Some(Level::Debug),
        Ok(v1::LogLevel::Trace) => Some(Level::Trace),
        Err(_) => {
            violations.push("level", format!("{number} is no LogLevel of this version"));
            return None;
        }
    };
    match (level, reset) {
        (None, false) => violations.push("level", "is needed, or reset: error, warn, info, debug, trace"),
        (Some(_), true) => violations.push("reset", "goes back to log.level; leave level out"),
        _ => {}
    }
    level
}

fn read_ttl(given: Option<prost_types::Duration>, reset: bool, violations: &mut Violations) -> Duration {
    let given = given.filter(|given| *given != prost_types::Duration::default());
    if reset && given.is_some() {
        violations.push("ttl", "a reset has none; leave it out");
    }
    given.map_or(TTL, |given| bounded("ttl", given, Duration::from_secs(1), violations))
}

fn bounded(field: &str, given: prost_types::Duration, least: Duration, violations: &mut Violations) -> Duration {
    match convert::duration(given) {
        Ok(time) if (least..=DAY).contains(&time) => time,
        Ok(time) => {
            violations.push(field, format!("{time:?} is not within {least:?}..24h"));
            TTL
        }
        Err(description) => {
            violations.push(field, description);
            TTL
        }
    }
}

fn wire_level(level: Level) -> v1::LogLevel {
    match level {
        Level::Error => v1::LogLevel::Error,
        Level::Warn => v1::LogLevel::Warn,
        Level::Info => v1::LogLevel::Info,
        Level::Debug => v1::LogLevel::Debug,
        Level::Trace => v1::LogLevel::Trace,
    }
}

/// A moment of the process's own clock as the world's clock has it.
fn moment(moment: Instant) -> prost_types::Timestamp {
    let now = Instant::now();
    let late = now.saturating_duration_since(moment);
    (SystemTime::now() + moment.saturating_duration_since(now) - late).into()
}

//! What can be asked of management, and who may ask it: the one table that every face goes by.

use speedmimi_model::Role;

use crate::control::audit::{EVERYTHING, LOG_LEVEL, SERVER, STREAMS};

/// Something that can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verb {
    /// `PACKAGE.SERVICE/METHOD`, or the path of the admin face.
    pub name: &'static str,
    /// Who may ask it.
    pub right: Right,
    /// What it is about, for callers that are limited to some upstreams.
    pub reach: Reach,
    /// A later version has it: its row keeps the name and who may.
    pub later: bool,
}

impl Verb {
    /// Whether it changes something, so that a refusal of it is put down: all that an operator does, but one question.
    pub fn changes(&self) -> bool {
        matches!(self.right, Right::Role(Operate | Admin)) && self.name != EXPLAIN_PICK
    }

    /// What it is about as far as its name tells, as the audit log has it; empty where only the request says it.
    pub fn object(&self) -> &'static str {
        let (service, method) = self.name.split_once('/').unwrap_or_default();
        match method {
            "KillStreams" => STREAMS,
            "SetLogLevel" => LOG_LEVEL,
            "DrainServer" => SERVER,
            _ if service == "speedmimi.v1.ConfigService" => EVERYTHING,
            _ => "",
        }
    }
}

/// The question that only an operator may ask.
const EXPLAIN_PICK: &str = "speedmimi.v1.RouteService/ExplainPick";

/// Who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// Anybody, known or not.
    Open,
    /// Anybody who says who they are.
    Known,
    /// Whose role includes this one.
    Role(Role),
}

/// What a verb is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Upstreams that the request names: each has to be the caller's.
    Named,
    /// A selection: the caller is shown, and reaches, what is its own.
    Own,
    /// Everything: nothing for a caller with limits.
    Whole,
}

const fn row(name: &'static str, role: Role, reach: Reach) -> Verb {
    Verb { name, right: Right::Role(role), reach, later: false }
}

const fn later(name: &'static str, role: Role, reach: Reach) -> Verb {
    Verb { later: true, ..row(name, role, reach) }
}

const fn free(name: &'static str, right: Right) -> Verb {
    Verb { name, right, reach: Own, later: false }
}

use Reach::{Named, Own, Whole};
use Role::{Admin, Operate, Read, Report};

/// The name of what the admin face does not have.
pub const NOWHERE: &str = "/*";

/// Every verb, those that come later included. What is not here is refused.
pub const VERBS: &[Verb] = &[
    row("speedmimi.v1.BackendService/ListBackends", Read, Own),
    row("speedmimi.v1.BackendService/GetBackend", Read, Named),
    row("speedmimi.v1.BackendService/WatchBackends", Read, Own),
    row("speedmimi.v1.BackendService/AddBackend", Operate, Named),
    row("speedmimi.v1.BackendService/UpdateBackend", Operate, Named),
    row("speedmimi.v1.BackendService/RemoveBackend", Operate, Named),
    row("speedmimi.v1.BackendService/EnableBackend", Operate, Named),
    row("speedmimi.v1.BackendService/DisableBackend", Operate, Named),
    row("speedmimi.v1.BackendService/DrainBackend", Operate, Named),
    row("speedmimi.v1.BackendService/DisconnectBackend", Operate, Named),
    later("speedmimi.v1.BackendService/SetBreaker", Operate, Named),
    later("speedmimi.v1.BackendService/KeepAliveBackend", Report, Named),
    row("speedmimi.v1.BackendService/ReportPerformance", Report, Named),
    later("speedmimi.v1.BackendService/StreamPerformance", Report, Named),
    row("speedmimi.v1.UpstreamService/ListUpstreams", Read, Own),
    row("speedmimi.v1.UpstreamService/GetUpstream", Read, Named),
    row("speedmimi.v1.UpstreamService/AddUpstream", Admin, Named),
    row("speedmimi.v1.UpstreamService/UpdateUpstream", Admin, Named),
    row("speedmimi.v1.UpstreamService/RemoveUpstream", Admin, Named),
    row("speedmimi.v1.RouteService/ListRoutes", Read, Own),
    row("speedmimi.v1.RouteService/GetRoute", Read, Named),
    // A route takes requests away from others: no matter for one upstream alone.
    row("speedmimi.v1.RouteService/AddRoute", Admin, Whole),
    row("speedmimi.v1.RouteService/UpdateRoute", Admin, Whole),
    row("speedmimi.v1.RouteService/RemoveRoute", Admin, Whole),
    row(EXPLAIN_PICK, Operate, Named),
    row("speedmimi.v1.ConfigService/GetConfig", Read, Whole),
    row("speedmimi.v1.ConfigService/WatchConfig", Read, Whole),
    row("speedmimi.v1.ConfigService/ListRevisions", Read, Whole),
    later("speedmimi.v1.ConfigService/ListCertificates", Read, Whole),
    row("speedmimi.v1.ConfigService/ApplyConfig", Admin, Whole),
    row("speedmimi.v1.ConfigService/ReloadConfig", Admin, Whole),
    later("speedmimi.v1.ConfigService/ReloadCertificates", Admin, Whole),
    row("speedmimi.v1.ConfigService/RollbackConfig", Admin, Whole),
    row("speedmimi.v1.ConfigService/ClearOverlay", Admin, Whole),
    row("speedmimi.v1.StatsService/GetServerStats", Read, Whole),
    row("speedmimi.v1.StatsService/GetUpstreamStats", Read, Named),
    row("speedmimi.v1.StatsService/GetBackendStats", Read, Named),
    row("speedmimi.v1.StatsService/WatchStats", Read, Own),
    row("speedmimi.v1.StreamService/ListStreams", Read, Own),
    row("speedmimi.v1.StreamService/KillStreams", Operate, Own),
    row("speedmimi.v1.ServerService/GetServerInfo", Read, Own),
    row("speedmimi.v1.ServerService/WatchEvents", Read, Own),
    row("speedmimi.v1.ServerService/SetLogLevel", Admin, Whole),
    row("speedmimi.v1.ServerService/DrainServer", Admin, Whole),
    free("grpc.health.v1.Health/Check", Right::Open),
    free("grpc.health.v1.Health/Watch", Right::Open),
    free("grpc.reflection.v1.ServerReflection/ServerReflectionInfo", Right::Known),
    free("grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", Right::Known),
    free("/healthz", Right::Open),
    // What leads nowhere on the admin face, as whoever may ask anything at all is told.
    free(NOWHERE, Right::Known),
    free("/readyz", Right::Open),
    // It has the name of every upstream.
    row("/metrics", Read, Whole),
];

/// The row of a name.
pub fn verb(name: &str) -> Option<&'static Verb> {
    VERBS.iter().find(|verb| verb.name == name)
}

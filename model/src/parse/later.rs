//! What later versions will know, section by section, and what may stand there until then. The schema is made from the
//! same tables.

use crate::read::Idle;

type Keys = &'static [(&'static str, Idle)];

pub(crate) const ROOT: Keys = &[
    ("ssl", Idle::Keys(SSL)),
    ("listeners", Idle::Nothing),
    ("overload", Idle::Keys(OVERLOAD)),
    ("state", Idle::Keys(STATE)),
];

pub(crate) const SERVER: Keys = &[
    ("max_concurrent_requests", Idle::Is(&["0"])),
    ("queue", Idle::Keys(&[("size", Idle::Is(&["0"])), ("timeout", Idle::Any)])),
    ("status_endpoints", Idle::Is(&["false"])),
    ("status_allow", Idle::Is(&["loopback"])),
];

pub(crate) const BACKEND: Keys = &[("backup", Idle::Is(&["false"]))];

pub(crate) const UPSTREAM: Keys = &[
    ("hash_on", Idle::Is(&["ip"])),
    ("queue", Idle::Keys(&[("size", Idle::Is(&["0"])), ("timeout", Idle::Any), ("fair_by", Idle::Is(&["none"]))])),
    ("retry", Idle::Nothing),
    ("circuit_breaker", Idle::Nothing),
    ("affinity", Idle::Nothing),
    ("tls", Idle::Nothing),
    ("discovery", Idle::Nothing),
    ("slow_start", Idle::Is(&["0s"])),
    ("send_proxy_protocol", Idle::Is(&["off", "false"])),
    ("performance", Idle::Keys(PERFORMANCE)),
];

pub(crate) const ROUTE: Keys =
    &[("rate_limit", Idle::Nothing), ("strip_prefix", Idle::Is(&["false"])), ("rewrite_host", Idle::Is(&["false"]))];

pub(crate) const PROTOCOLS: Keys = &[("grpc", Idle::Nothing)];

pub(crate) const MANAGEMENT: Keys = &[("tls", Idle::Nothing), ("auth", Idle::Nothing)];

const SSL: Keys = &[
    ("enabled", Idle::Is(&["false"])),
    ("cert_file", Idle::Any),
    ("key_file", Idle::Any),
    ("certificates", Idle::Nothing),
    ("client_ca_file", Idle::Nothing),
    ("min_version", Idle::Any),
];

const OVERLOAD: Keys = &[
    ("memory", Idle::Keys(MEMORY)),
    ("swap", Idle::Nothing),
    ("connections", Idle::Nothing),
    ("retry_after", Idle::Is(&["30"])),
    ("message", Idle::Is(&["Server busy, please try again later"])),
];

const MEMORY: Keys = &[
    ("scope", Idle::Is(&["auto", "off"])),
    ("warning", Idle::Is(&["70"])),
    ("reject", Idle::Is(&["80"])),
    ("resume", Idle::Is(&["75"])),
    ("critical", Idle::Is(&["85"])),
];

const STATE: Keys = &[("dir", Idle::Nothing), ("persist", Idle::Is(&["false"])), ("conflict", Idle::Is(&["overlay"]))];

const PERFORMANCE: Keys = &[
    ("ttl", Idle::Is(&["30s"])),
    ("blackout", Idle::Is(&["10s"])),
    ("influence", Idle::Is(&["1", "1.0"])),
    ("mem_per_stream", Idle::Is(&["0"])),
];

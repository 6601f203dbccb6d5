//! What later versions will know, section by section, and what may stand there until then. The schema is made from the
//! same tables.

use crate::read::Idle;

type Keys = &'static [(&'static str, Idle)];

pub(crate) const ROOT: Keys =
    &[("ssl", Idle::Keys(SSL)), ("listeners", Idle::Nothing), ("overload", Idle::Keys(OVERLOAD))];

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
    ("retry", Idle::Keys(RETRY)),
    ("circuit_breaker", Idle::Keys(CIRCUIT_BREAKER)),
    ("affinity", Idle::Keys(AFFINITY)),
    ("tls", Idle::Nothing),
    ("discovery", Idle::Nothing),
    ("slow_start", Idle::Is(&["0s"])),
    ("send_proxy_protocol", Idle::Is(&["off", "false"])),
    ("performance", Idle::Keys(PERFORMANCE)),
];

pub(crate) const ROUTE: Keys =
    &[("rate_limit", Idle::Nothing), ("strip_prefix", Idle::Is(&["false"])), ("rewrite_host", Idle::Is(&["false"]))];

pub(crate) const PROTOCOLS: Keys = &[("grpc", Idle::Nothing)];

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
    ("swap", Idle::Keys(&[("warning", Idle::Is(&["30"])), ("critical", Idle::Is(&["50"]))])),
    ("connections", Idle::Keys(&[("warning", Idle::Is(&["75"])), ("critical", Idle::Is(&["94"]))])),
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

const RETRY: Keys = &[
    ("max_retries", Idle::Is(&["2"])),
    ("backoff_factor", Idle::Is(&["0.5"])),
    ("statuses", Idle::Nothing),
    ("budget_percent", Idle::Is(&["20"])),
    ("budget_min", Idle::Is(&["3"])),
    ("buffer", Idle::Is(&["64KiB", "65536"])),
];

const CIRCUIT_BREAKER: Keys = &[
    ("failure_threshold", Idle::Is(&["5"])),
    ("success_threshold", Idle::Is(&["3"])),
    ("timeout", Idle::Is(&["60s", "1m"])),
    ("max_ejected_percent", Idle::Is(&["50"])),
    ("last_backend", Idle::Is(&["keep"])),
];

/// Without a type there is no affinity, whatever the rest says.
const AFFINITY: Keys = &[
    ("type", Idle::Is(&["none", "off", "false"])),
    ("name", Idle::Is(&["speedmimi"])),
    ("ttl", Idle::Is(&["0s"])),
    ("key_file", Idle::Nothing),
    ("wait", Idle::Is(&["5s"])),
];

const PERFORMANCE: Keys = &[
    ("ttl", Idle::Is(&["30s"])),
    ("blackout", Idle::Is(&["10s"])),
    ("influence", Idle::Is(&["1", "1.0"])),
    ("mem_per_stream", Idle::Is(&["0"])),
];

//! The configuration behind `--backend`: written as a document and read like any other, so that there is one set of
//! defaults and one validation.

use std::str::FromStr;

use serde_json::json;
use speedmimi_model::Config;

/// `HOST:PORT`, IPv6 addresses in brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BackendAddress {
    host: String,
    port: u16,
}

impl FromStr for BackendAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (host, port) = text.rsplit_once(':').ok_or("expected HOST:PORT")?;
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = match bracketed {
            Some(host) => host,
            None if host.contains(':') => return Err("write an IPv6 address in brackets, as in [::1]:8081".into()),
            None => host,
        };
        let port = port.parse().ok().filter(|&port| port != 0).ok_or("the port is a number from 1 to 65535")?;
        if host.is_empty() {
            return Err("the host is empty".into());
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

/// What the flags say.
#[derive(Debug)]
pub(super) struct Inline<'a> {
    pub(super) backends: &'a [BackendAddress],
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) algorithm: &'a str,
    pub(super) debug: bool,
}

/// The configuration that the flags mean.
pub(super) fn config(flags: &Inline<'_>) -> Result<Config, String> {
    let backends: Vec<_> =
        flags.backends.iter().map(|backend| json!({"host": backend.host, "port": backend.port})).collect();
    let document = json!({
        "server": {"host": flags.host, "port": flags.port},
        "backends": {"default": backends},
        "upstreams": {"default": {"load_balancer": flags.algorithm}},
        "log": {"level": if flags.debug { "debug" } else { "info" }},
    });
    speedmimi_model::parse("command line", &document.to_string()).map_err(|faults| faults.to_string())
}

//! Who may do what: identity, roles and the secrets they rest on, for every face of management.
//!
//! [`Face::identify`] says who calls, [`authorise`] whether they may. Tokens and certificates are read at the start and
//! again on every reload: all of them are good, or the old ones stay.

use std::path::Path;
use std::sync::Arc;

use speedmimi_model::{Config, Management};

mod authorise;
pub mod browser;
mod face;
mod guesses;
mod line;
mod names;
mod peer;
mod renewed;
mod tls;
mod tokens;
mod verbs;

pub use authorise::{Denied, Needed, authorise};
pub use face::{Face, Secured, Unknown};
pub use line::{Line, UnderWay, Verdict};
pub use peer::{Certified, Peer};
pub use renewed::{Renewal, Renewed};
pub use verbs::{NOWHERE, Reach, Right, VERBS, Verb, verb};

use face::Material;

/// Longest file of tokens or certificates, in bytes.
const LARGEST: u64 = 4 * 1024 * 1024;

/// Settles which cryptography the process uses. First thing in `main`: with two to choose from, libraries panic at
/// their first handshake.
pub fn use_one_provider() {
    // It fails only when there is one already, which is what we want.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// What a file of secrets lacks; every fault of every file, as `KEY: FILE: what`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct AccessError(pub Vec<String>);

/// Identity of both faces.
#[derive(Debug)]
pub struct Access {
    /// Of the gRPC face.
    pub grpc: Arc<Face>,
    /// Of the admin face.
    pub admin: Arc<Face>,
}

impl Access {
    /// Reads every file that the configuration names.
    pub fn load(config: &Config) -> Result<Self, AccessError> {
        let (grpc, admin) = materials(config)?;
        let face = |management: &Management, material| Arc::new(Face::new(management, material));
        Ok(Self { grpc: face(&config.grpc, grpc), admin: face(&config.admin, admin) })
    }

    /// Tells the log what is not well with the files. They are read before there is a log.
    pub fn warn(&self) {
        self.grpc.warn();
        self.admin.warn();
    }

    /// Reads the files again; nothing is changed before [`Renewed::install`].
    pub fn read_again(&self, config: &Config) -> Result<Renewed, AccessError> {
        let (grpc, admin) = materials(config)?;
        Ok(Renewed::new([("grpc", &self.grpc, grpc), ("admin", &self.admin, admin)]))
    }
}

fn materials(config: &Config) -> Result<(Material, Material), AccessError> {
    let mut faults = Vec::new();
    let grpc = Material::read("grpc", &config.grpc, b"h2", &mut faults);
    let admin = Material::read("admin", &config.admin, b"http/1.1", &mut faults);
    match (grpc, admin) {
        (Some(grpc), Some(admin)) if faults.is_empty() => Ok((grpc, admin)),
        _ => Err(AccessError(faults)),
    }
}

/// Reads a file that is not longer than is sensible.
fn read(path: &Path) -> Result<Vec<u8>, String> {
    let length = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if length > LARGEST {
        return Err(format!("has {length} bytes, at most {LARGEST} are read"));
    }
    std::fs::read(path).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;

//! `grpc` and `admin`: where management is served, and to whom.

use std::fmt;
use std::path::PathBuf;

/// An address that serves management.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Management {
    /// Whether it is served; default true.
    pub enabled: bool,
    /// Default 127.0.0.1; another machine's reach needs `tls` and `auth`.
    pub host: String,
    /// 0 lets the system choose.
    pub port: u16,
    /// A socket in the file system, instead of host and port; grpc alone.
    pub unix: Option<PathBuf>,
    /// Default: in the clear.
    pub tls: Option<ManagementTls>,
    /// Default: whoever reaches the address may do everything.
    pub auth: Option<Auth>,
}

impl Management {
    /// On loopback at this port.
    pub fn on(port: u16) -> Self {
        Self { enabled: true, host: "127.0.0.1".into(), port, unix: None, tls: None, auth: None }
    }

    /// Whether other machines are kept out by the address alone.
    pub fn is_local(&self) -> bool {
        self.unix.is_some() || is_loopback(&self.host)
    }
}

/// Whether a host is one of this machine's own.
pub(crate) fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

/// `tls` of a management address: PEM files, read again on every reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagementTls {
    /// The certificate, and what leads from it to its authority.
    pub cert_file: PathBuf,
    /// Its key.
    pub key_file: PathBuf,
    /// Authorities of the certificates of `auth.clients`.
    pub client_ca_file: Option<PathBuf>,
}

/// `auth` of a management address: who may do what. At least one of the two says something.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Auth {
    /// Names, roles and hashes of tokens; read again on every reload.
    pub tokens_file: Option<PathBuf>,
    /// Who calls with a certificate.
    pub clients: Vec<AuthClient>,
}

/// A caller with a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthClient {
    /// A subject alternative name of the certificate: a DNS name, a URI, an address of mail or of a machine.
    pub san: String,
    /// What the caller may do.
    pub role: Role,
    /// The upstreams it is about; empty: all.
    pub upstreams: Vec<String>,
}

/// What a caller of management may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Push the performance data of backends and keep their leases alive, and see nothing.
    Report,
    /// See everything, change nothing.
    Read,
    /// `read` and `report`, and what keeps a service running: backends, streams.
    Operate,
    /// Everything.
    Admin,
}

impl Role {
    /// Every role, the least first.
    pub const ALL: [Self; 4] = [Self::Report, Self::Read, Self::Operate, Self::Admin];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Report => "report",
            Self::Read => "read",
            Self::Operate => "operate",
            Self::Admin => "admin",
        }
    }

    /// Whether who has this role has the other one as well: each has those below it, but `read` has not `report`.
    pub fn includes(self, other: Self) -> bool {
        self >= other && !(self == Self::Read && other == Self::Report)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl std::str::FromStr for Role {
    type Err = String;

    /// The error says which roles there are.
    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|role| role.as_str() == text);
        known.ok_or_else(|| crate::rules::unknown("role", text, &Self::ALL.map(Self::as_str)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_ordered_but_for_report() {
        let includes = |role: Role| Role::ALL.into_iter().filter(|other| role.includes(*other)).collect::<Vec<_>>();
        assert_eq!(includes(Role::Report), [Role::Report]);
        assert_eq!(includes(Role::Read), [Role::Read]);
        assert_eq!(includes(Role::Operate), [Role::Report, Role::Read, Role::Operate]);
        assert_eq!(includes(Role::Admin), Role::ALL);
    }

    #[test]
    fn roles_are_read_as_they_are_written() {
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        let wrong = "operator".parse::<Role>().expect_err("no such role");
        assert!(wrong.contains("operate") && wrong.contains("admin"), "{wrong}");
    }
}

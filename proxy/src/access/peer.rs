//! Who is at the other end of a connection, as far as the connection itself shows it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use speedmimi_model::AuthClient;

use super::line::Line;
use super::names;

/// The other end of a connection.
#[derive(Debug, Clone)]
pub struct Peer {
    /// For logs: an address, or `unix`.
    pub from: Arc<str>,
    /// Its address; none on a unix socket.
    pub ip: Option<IpAddr>,
    /// Its user; on a unix socket alone.
    pub uid: Option<u32>,
    /// Its certificate, if it has shown one that an authority of ours signed.
    pub certified: Certified,
    /// The authorities that its certificate was checked against, as [`super::Secured::trust`] has them.
    pub trust: u64,
    /// What has come of the connection.
    pub line: Arc<Line>,
}

/// What a certificate says of its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Certified {
    /// There is none.
    No,
    /// It stands for this client.
    Client(AuthClient),
    /// It stands for none of ours.
    Stranger,
}

impl Peer {
    /// Over TCP.
    pub fn tcp(address: SocketAddr) -> Self {
        let ip = Some(address.ip().to_canonical());
        Self {
            from: address.to_string().into(),
            ip,
            uid: None,
            certified: Certified::No,
            trust: 0,
            line: Arc::default(),
        }
    }

    /// Over a unix socket. The kernel says who it is.
    pub fn unix(uid: Option<u32>) -> Self {
        let certified = Certified::No;
        Self { from: "unix".into(), ip: None, uid, certified, trust: 0, line: Arc::default() }
    }

    /// With the certificate of a TLS handshake: the first of its names that is a client of ours.
    #[must_use]
    pub fn with_certificate(mut self, certificate: Option<&[u8]>, clients: &[AuthClient]) -> Self {
        if let Some(certificate) = certificate {
            let names = names::of(certificate);
            let client = names.iter().find_map(|name| clients.iter().find(|client| name.is(&client.san)));
            self.certified = client.cloned().map_or(Certified::Stranger, Certified::Client);
        }
        self
    }
}

//! Every socket the process serves, bound before anything is started.

use std::net::{SocketAddr, TcpListener};

use speedmimi_model::{Config, Management};

use super::StartError;
use crate::admin::Endpoint;
use crate::admin::bind::{self, UnixSocket};
use crate::listen::{self, Bound};

/// Bound and listening, but nobody accepts yet.
#[derive(Debug)]
pub(super) struct Sockets {
    pub(super) main: Bound,
    pub(super) grpc: Option<Grpc>,
    pub(super) admin: Option<(TcpListener, SocketAddr)>,
}

/// The gRPC listener, of either kind.
#[derive(Debug)]
pub(super) enum Grpc {
    Tcp(TcpListener, SocketAddr),
    Unix(UnixSocket),
}

impl Grpc {
    /// What the gRPC face is started with.
    pub(super) fn into_endpoint(self) -> Endpoint {
        match self {
            Self::Tcp(listener, _) => Endpoint::Tcp(listener),
            Self::Unix(socket) => Endpoint::Unix(socket),
        }
    }

    /// As `speedctl --endpoint` wants it.
    pub(super) fn address(&self) -> String {
        match self {
            Self::Tcp(_, address) => address.to_string(),
            Self::Unix(socket) => format!("unix:{}", socket.path().display()),
        }
    }
}

impl Sockets {
    pub(super) fn bind(config: &Config, workers: usize) -> Result<Self, StartError> {
        let (host, port) = (config.server.host.as_str(), config.server.port);
        let main = listen::bind(host, port, workers)
            .map_err(|error| StartError::Listen { address: format!("{host}:{port}"), error })?;
        let grpc = match &config.grpc {
            grpc if !grpc.enabled => None,
            grpc => Some(match &grpc.unix {
                Some(path) => Grpc::Unix(UnixSocket::bind(path)?),
                None => {
                    let (listener, address) = tcp("grpc", grpc)?;
                    Grpc::Tcp(listener, address)
                }
            }),
        };
        let admin = match &config.admin {
            admin if admin.enabled => Some(tcp("admin", admin)?),
            _ => None,
        };
        Ok(Self { main, grpc, admin })
    }
}

fn tcp(field: &'static str, management: &Management) -> Result<(TcpListener, SocketAddr), StartError> {
    let listener = bind::tcp(field, management)?;
    let address = listener.local_addr().map_err(|error| StartError::Listen { address: field.into(), error })?;
    Ok((listener, address))
}

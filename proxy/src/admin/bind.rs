//! Management sockets: loopback and unix sockets, unless callers can be told apart.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use speedmimi_model::Management;

/// Why a management socket cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// An address that other machines can reach.
    #[error(
        "{field}.host: {address} is not a loopback address; add {field}.tls.cert_file, {field}.tls.key_file and \
         {field}.auth.tokens_file (or {field}.tls.client_ca_file with {field}.auth.clients)"
    )]
    NotLoopback {
        /// `grpc` or `admin`.
        field: &'static str,
        /// What was asked for.
        address: SocketAddr,
    },
    /// The system refused.
    #[error("{field}: cannot listen on {address}: {error}")]
    Refused {
        /// `grpc`, `grpc.unix` or `admin`.
        field: &'static str,
        /// What was asked for.
        address: String,
        /// What the system said.
        error: io::Error,
    },
    /// Another process serves the unix socket.
    #[error("grpc.unix: another process listens on {}", .0.display())]
    Busy(PathBuf),
    /// The path is taken by something that is not a socket.
    #[error("grpc.unix: {} exists and is not a socket", .0.display())]
    NotASocket(PathBuf),
}

/// Binds an address; one that other machines can reach only where callers prove who they are. `field` names the section
/// of the configuration.
pub fn tcp(field: &'static str, management: &Management) -> Result<TcpListener, BindError> {
    let Management { host, port, tls, auth, .. } = management;
    let (port, protected) = (*port, tls.is_some() && auth.is_some());
    let refused = |error| BindError::Refused { field, address: format!("{host}:{port}"), error };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let addresses: Vec<SocketAddr> = (bare, port).to_socket_addrs().map_err(refused)?.collect();
    if !protected && let Some(&address) = addresses.iter().find(|address| !address.ip().to_canonical().is_loopback()) {
        return Err(BindError::NotLoopback { field, address });
    }
    let listener = TcpListener::bind(&*addresses).map_err(refused)?;
    listener.set_nonblocking(true).map_err(refused)?;
    Ok(listener)
}

/// A unix socket that is ours; its file goes when it does.
#[derive(Debug)]
pub struct UnixSocket {
    listener: UnixListener,
    file: SocketFile,
}

impl UnixSocket {
    /// Binds the path, readable and writable by this user alone. A socket file that nobody listens on is replaced.
    pub fn bind(path: &Path) -> Result<Self, BindError> {
        let refused = |error| BindError::Refused { field: "grpc.unix", address: path.display().to_string(), error };
        match std::fs::symlink_metadata(path) {
            Ok(found) if !found.file_type().is_socket() => return Err(BindError::NotASocket(path.into())),
            Ok(_) => match UnixStream::connect(path) {
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    std::fs::remove_file(path).map_err(refused)?;
                }
                Err(error) => return Err(refused(error)),
                Ok(_) => return Err(BindError::Busy(path.into())),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(refused(error)),
        }
        // The mode must be right from the first moment, so it is the creation mask that decides.
        let before = rustix::process::umask(Mode::from_raw_mode(0o177));
        let bound = UnixListener::bind(path);
        rustix::process::umask(before);
        let listener = bound.map_err(refused)?;
        listener.set_nonblocking(true).map_err(refused)?;
        Ok(Self { listener, file: SocketFile(path.into()) })
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.file.0
    }

    /// The listener, and the file that must be kept as long as it is served.
    pub fn into_parts(self) -> (UnixListener, SocketFile) {
        (self.listener, self.file)
    }
}

/// The file of a unix socket, removed on drop.
#[derive(Debug)]
pub struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // It may be gone already: somebody cleaned up before us, which is what we want.
        let _ = std::fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use speedmimi_model::{Auth, ManagementTls};

    use super::*;

    #[test]
    fn only_loopback_is_bound_where_nobody_is_asked() {
        let on = |host: &str| Management { host: host.into(), ..Management::on(0) };
        for host in ["0.0.0.0", "::", "10.1.2.3"] {
            let refused = tcp("grpc", &on(host)).expect_err(host);
            assert!(matches!(refused, BindError::NotLoopback { .. }), "{host}");
            assert!(refused.to_string().contains("grpc.auth.tokens_file"), "{refused}");
        }
        for host in ["127.0.0.1", "localhost"] {
            let listener = tcp("admin", &on(host)).expect("a free port");
            assert!(listener.local_addr().expect("bound").ip().is_loopback());
        }
    }

    #[test]
    fn every_address_is_bound_where_callers_are_known() {
        let files = ManagementTls { cert_file: "c".into(), key_file: "k".into(), client_ca_file: None };
        let auth = Auth { tokens_file: Some("t".into()), clients: Vec::new() };
        let tls = Management { host: "0.0.0.0".into(), tls: Some(files), ..Management::on(0) };
        assert!(matches!(tcp("admin", &tls), Err(BindError::NotLoopback { .. })));
        let both = Management { auth: Some(auth), ..tls };
        assert!(tcp("admin", &both).expect("a free port").local_addr().expect("bound").ip().is_unspecified());
    }

    #[test]
    fn a_unix_socket_is_private_and_replaces_only_a_stale_one() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("grpc.sock");
        drop(UnixListener::bind(&path).expect("a stale socket"));
        let socket = UnixSocket::bind(&path).expect("a stale socket is replaced");
        let mode = std::fs::metadata(&path).expect("it exists").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(matches!(UnixSocket::bind(&path), Err(BindError::Busy(_))));
        drop(socket);
        assert!(!path.exists());
        std::fs::write(&path, "precious").expect("a file");
        assert!(matches!(UnixSocket::bind(&path), Err(BindError::NotASocket(_))));
        assert_eq!(std::fs::read(&path).expect("still there"), b"precious");
    }
}

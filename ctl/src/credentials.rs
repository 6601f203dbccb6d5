//! What speedctl shows a proxy, and what it wants to be shown: authorities, a certificate of its own, a token.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use clap::Args;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tonic::metadata::AsciiMetadataValue;
use tonic::service::Interceptor;
use tonic::transport::{Certificate, ClientTlsConfig, Identity};
use tonic::{Request, Status};

use crate::endpoint::Endpoint;
use crate::failure::Failure;

/// Files with what proves who somebody is.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Credentials {
    /// Authorities that sign the proxy's certificate, PEM; default: those of the system
    #[arg(long, global = true, env = "SPEEDCTL_CA", value_name = "FILE", help_heading = "Global options")]
    ca: Option<PathBuf>,
    /// Certificate to show to the proxy, PEM
    #[arg(long, global = true, env = "SPEEDCTL_CERT", value_name = "FILE", help_heading = "Global options")]
    cert: Option<PathBuf>,
    /// Key of that certificate, PEM
    #[arg(long, global = true, env = "SPEEDCTL_KEY", value_name = "FILE", help_heading = "Global options")]
    key: Option<PathBuf>,
    /// File with the token to show to the proxy
    #[arg(long, global = true, env = "SPEEDCTL_TOKEN_FILE", value_name = "FILE", help_heading = "Global options")]
    token_file: Option<PathBuf>,
}

impl Credentials {
    /// What somebody should know before they go on.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let secrets = [&self.token_file, &self.key].into_iter().flatten();
        let open = secrets.filter(|path| {
            // One that cannot be read is told where it is read.
            fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o077 != 0)
        });
        open.map(|path| format!("others can read {0}; chmod 600 {0}", path.display())).collect()
    }

    /// How a connection to an https address is secured.
    pub(crate) fn tls(&self) -> Result<ClientTlsConfig, Failure> {
        let mut tls = ClientTlsConfig::new();
        tls = match &self.ca {
            Some(path) => tls.ca_certificate(Certificate::from_pem(certificates(path)?)),
            None => tls.with_native_roots(),
        };
        match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => Ok(tls.identity(Identity::from_pem(certificates(cert)?, private_key(key)?))),
            (None, None) => Ok(tls),
            _ => Err(Failure::usage("--cert and --key belong together", "name the file of the other one as well")),
        }
    }

    /// The token as every call carries it. It never goes over a network in the clear.
    pub(crate) fn bearer(&self, endpoint: &Endpoint) -> Result<Bearer, Failure> {
        let Some(path) = &self.token_file else { return Ok(Bearer(None)) };
        if !endpoint.is_private() {
            return Err(Failure::usage(
                format!("the token would go to {endpoint} in the clear"),
                "write https://HOST:PORT, or leave --token-file and SPEEDCTL_TOKEN_FILE out",
            ));
        }
        let text = String::from_utf8(read(path)?).unwrap_or_default();
        let token = text.trim();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            let message = format!("no token stands in {}", path.display());
            return Err(Failure::usage(message, "it holds one token on one line, as `openssl rand -hex 32` prints it"));
        }
        let mut value = AsciiMetadataValue::try_from(format!("Bearer {token}"))
            .map_err(|_| Failure::usage("this token cannot be sent", "it is longer than a header may be"))?;
        value.set_sensitive(true);
        Ok(Bearer(Some(value)))
    }
}

/// Puts the token, if there is one, on every call.
#[derive(Debug, Clone)]
pub(crate) struct Bearer(Option<AsciiMetadataValue>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.0 {
            request.metadata_mut().insert("authorization", value.clone());
        }
        Ok(request)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| Failure::Unreadable { file: path.display().to_string(), error })
}

fn certificates(path: &Path) -> Result<Vec<u8>, Failure> {
    let pem = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    if found.is_ok_and(|found| !found.is_empty()) { Ok(pem) } else { Err(no_pem("certificate", path)) }
}

fn private_key(path: &Path) -> Result<Vec<u8>, Failure> {
    let pem = read(path)?;
    if PrivateKeyDer::from_pem_slice(&pem).is_ok() { Ok(pem) } else { Err(no_pem("private key", path)) }
}

fn no_pem(what: &str, path: &Path) -> Failure {
    let message = format!("no {what} in PEM stands in {}", path.display());
    Failure::usage(message, format!("a PEM file has a line -----BEGIN {}-----", what.to_uppercase()))
}

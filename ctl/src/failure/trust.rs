//! Why a connection was not trusted, by either side, and what helps.

use std::error::Error;
use std::io;

use rustls::{CertificateError, Error as Tls};

use super::{Failure, root};

/// The failure of a connection, if TLS is what failed.
pub(super) fn failure(error: &(dyn Error + 'static), endpoint: &str) -> Option<Failure> {
    let ((reason, hint), refused) = match find(error) {
        Some(Tls::AlertReceived(alert)) => (refused(&format!("{alert:?}")), true),
        Some(error) => (told(error, endpoint), false),
        // Once the handshake is over on this side, HTTP/2 keeps the words alone.
        None => (refused(root(error).strip_prefix("received fatal alert: ")?), true),
    };
    Some(Failure::Untrusted { endpoint: endpoint.to_owned(), reason, hint, refused })
}

/// The error of TLS among the causes; an I/O error hides the one it wraps from its causes.
fn find<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e Tls> {
    let mut cause: Option<&'e (dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let wrapped = wrapped.and_then(|inner| inner.downcast_ref::<Tls>());
        if let Some(found) = error.downcast_ref::<Tls>().or(wrapped) {
            return Some(found);
        }
        cause = error.source();
    }
    None
}

fn told(error: &Tls, endpoint: &str) -> (String, String) {
    let clear = endpoint.replacen("https://", "http://", 1);
    match error {
        Tls::InvalidCertificate(fault) => certificate(fault),
        Tls::InvalidMessage(_) => {
            ("what answers there does not speak TLS".to_owned(), format!("try --endpoint {clear}"))
        }
        other => (other.to_string(), "is this the gRPC address of a speedmimi?".to_owned()),
    }
}

/// The proxy ends a handshake, with this alert (RFC 8446, section 6.2).
fn refused(alert: &str) -> (String, String) {
    let about_certificates = [
        "UnknownCA",
        "BadCertificate",
        "CertificateUnknown",
        "CertificateRevoked",
        "CertificateRequired",
        "DecryptError",
        "UnsupportedCertificate",
    ];
    match alert {
        "CertificateExpired" => (
            "the proxy says that the certificate of --cert has expired".to_owned(),
            "get a new one, or use --token-file".to_owned(),
        ),
        alert if about_certificates.contains(&alert) => (
            format!("the proxy does not accept the certificate of --cert ({alert})"),
            "it has to be signed by an authority in tls.client_ca_file of the proxy; --token-file is another way"
                .to_owned(),
        ),
        alert => (format!("the proxy ends the handshake ({alert})"), "does this address serve gRPC?".to_owned()),
    }
}

fn certificate(fault: &CertificateError) -> (String, String) {
    match fault {
        CertificateError::UnknownIssuer => (
            "its certificate is signed by an authority that is not trusted here".to_owned(),
            "--ca FILE (SPEEDCTL_CA) names the authority that signed it; if it is the right one, this is not the proxy \
             you meant"
                .to_owned(),
        ),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => (
            "its certificate has expired".to_owned(),
            "on the proxy's machine: put a new one into tls.cert_file, then send the process SIGHUP".to_owned(),
        ),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            ("its certificate is not valid yet".to_owned(), "do the clocks of both machines agree?".to_owned())
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => (
            format!("its certificate is for another name: {fault}"),
            "--endpoint has to name the proxy as its certificate does".to_owned(),
        ),
        other => (
            format!("its certificate is not good: {other}"),
            "look at it with openssl s_client -connect HOST:PORT".to_owned(),
        ),
    }
}

//! TLS of a face of management, out of PEM files.

use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use rustls::crypto::{CryptoProvider, aws_lc_rs as aws};
use rustls::pki_types::pem::{Error as PemError, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoClientAuth, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use speedmimi_model::ManagementTls;
use xxhash_rust::xxh3::xxh3_64;

use super::names::{self, Name};

/// What the files of a section come to.
#[derive(Debug)]
pub(super) struct Read {
    /// Of a server that speaks one protocol.
    pub(super) config: Arc<ServerConfig>,
    /// Tells the authorities of client certificates from others.
    pub(super) trust: u64,
    /// Of its certificate.
    pub(super) names: Vec<Name>,
    /// Of its certificates.
    pub(super) fingerprints: Fingerprints,
    /// What somebody should know, though it can be used.
    pub(super) warning: Option<String>,
}

/// What tells certificates from others, for people: the first digits of their SHA-256.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Fingerprints {
    pub(super) certificate: String,
    pub(super) authorities: Vec<String>,
}

/// Reads the files; every fault is `KEY: FILE: what`.
pub(super) fn read(files: &ManagementTls, protocol: &'static [u8]) -> Result<Read, Vec<String>> {
    let mut faults = Vec::new();
    let mut keep = |fault| faults.push(fault);
    let chain = certificates("cert_file", &files.cert_file).map_err(&mut keep).ok();
    let key = key(&files.key_file).map_err(&mut keep).ok();
    let provider = Arc::new(aws::default_provider());
    let verifier = verifier(files.client_ca_file.as_deref(), &provider).map_err(&mut keep).ok();
    let (Some(chain), Some(key), Some((verifier, authorities))) = (chain, key, verifier) else { return Err(faults) };
    let fingerprints = Fingerprints {
        certificate: chain.first().map(fingerprint).unwrap_or_default(),
        authorities: authorities.iter().map(fingerprint).collect(),
    };
    let trust = if authorities.is_empty() {
        0
    } else {
        xxh3_64(&authorities.iter().flat_map(|one| one.iter().copied()).collect::<Vec<u8>>())
    };
    let names = chain.first().map(|own| names::of(own)).unwrap_or_default();
    let warning = chain
        .first()
        .filter(|own| !names::is_current(own))
        .map(|_| format!("cert_file: {}: is not valid today: clients will refuse it", files.cert_file.display()));
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = builder.and_then(|builder| builder.with_client_cert_verifier(verifier).with_single_cert(chain, key));
    let mut config = config.map_err(|error| {
        vec![format!("key_file: {}: does not fit {}: {error}", files.key_file.display(), files.cert_file.display())]
    })?;
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok(Read { config: Arc::new(config), trust, names, fingerprints, warning })
}

fn certificates(field: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let told = |what: String| format!("{field}: {}: {what}", path.display());
    let pem = super::read(path).map_err(told)?;
    let read: Result<Vec<_>, PemError> = CertificateDer::pem_slice_iter(&pem).collect();
    match read {
        Ok(read) if read.is_empty() => Err(told("no certificate in PEM stands in it".to_owned())),
        Ok(read) => Ok(read),
        Err(error) => Err(told(format!("is no PEM: {error}"))),
    }
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let told = |what: String| format!("key_file: {}: {what}", path.display());
    let pem = super::read(path).map_err(told)?;
    PrivateKeyDer::from_pem_slice(&pem).map_err(|error| match error {
        PemError::NoItemsFound => told("no private key in PEM stands in it (an encrypted one is not read)".to_owned()),
        error => told(format!("is no PEM: {error}")),
    })
}

/// Certificates of callers are checked where they are shown. That one has to be shown is decided call by call: health
/// is answered to anybody.
fn verifier(
    path: Option<&Path>,
    provider: &Arc<CryptoProvider>,
) -> Result<(Arc<dyn ClientCertVerifier>, Vec<CertificateDer<'static>>), String> {
    let Some(path) = path else { return Ok((Arc::new(NoClientAuth), Vec::new())) };
    let told = |what: String| format!("client_ca_file: {}: {what}", path.display());
    let all = certificates("client_ca_file", path)?;
    let mut roots = RootCertStore::empty();
    for certificate in &all {
        roots.add(certificate.clone()).map_err(|error| told(error.to_string()))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let verifier = builder.allow_unauthenticated().build().map_err(|error| told(error.to_string()))?;
    Ok((verifier as _, all))
}

fn fingerprint(certificate: &CertificateDer<'static>) -> String {
    let digest = digest(&SHA256, certificate);
    let digits: String = digest.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("sha256 {digits}...")
}

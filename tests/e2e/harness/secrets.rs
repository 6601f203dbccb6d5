//! Tokens and certificates of a test's own, in the folder that the proxy starts in.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};

/// A line of a tokens file.
pub fn token_line(name: &str, role: &str, token: &str, upstreams: &str) -> String {
    let hash: String = digest(&SHA256, token.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let upstreams = if upstreams.is_empty() { String::new() } else { format!(" upstreams={upstreams}") };
    format!("{name} {role} sha256:{hash}{upstreams}\n")
}

/// Writes a file that nobody else can read.
pub fn write_secret(path: &Path, text: &str) {
    fs::write(path, text).expect("the temporary folder can be written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("the file is ours");
}

/// A certificate authority.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// For how long a certificate is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    Current,
    Expired,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key can be made");
        Self(CertifiedIssuer::self_signed(params, key).expect("an authority can be made"))
    }

    /// Writes its certificate.
    pub fn write(&self, path: &Path) -> PathBuf {
        write_secret(path, &self.0.pem());
        path.to_owned()
    }

    /// Writes `NAME.crt` and `NAME.key` for these names: DNS names, addresses, URIs.
    pub fn issue(&self, folder: &Path, name: &str, names: &[&str], validity: Validity) -> (PathBuf, PathBuf) {
        let (uris, plain): (Vec<&str>, Vec<&str>) = names.iter().partition(|name| name.contains("://"));
        let plain: Vec<String> = plain.into_iter().map(str::to_owned).collect();
        let mut params = CertificateParams::new(plain).expect("valid names");
        let uris = uris.into_iter().map(|uri| rcgen::SanType::URI(uri.try_into().expect("ASCII")));
        params.subject_alt_names.extend(uris);
        if validity == Validity::Expired {
            (params.not_before, params.not_after) = (date_time_ymd(2001, 1, 1), date_time_ymd(2002, 1, 1));
        }
        let key = KeyPair::generate().expect("a key can be made");
        let signed = params.signed_by(&key, &self.0).expect("a certificate can be signed");
        let paths = (folder.join(format!("{name}.crt")), folder.join(format!("{name}.key")));
        write_secret(&paths.0, &signed.pem());
        write_secret(&paths.1, &key.serialize_pem());
        paths
    }
}

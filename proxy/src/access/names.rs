//! The names in a certificate.

use std::net::IpAddr;

use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// A subject alternative name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Name {
    /// A DNS name.
    Dns(String),
    /// A URI or an address of mail.
    Text(String),
    /// An address of a machine.
    Ip(IpAddr),
}

impl Name {
    /// Whether it is the one that a configuration writes.
    pub(super) fn is(&self, written: &str) -> bool {
        match self {
            Self::Dns(name) => name.eq_ignore_ascii_case(written),
            Self::Text(name) => name == written,
            Self::Ip(address) => written.parse() == Ok(*address),
        }
    }

    /// Whether a host, as clients write it, means the owner of this name (RFC 9525, section 6.3): `*` stands for the
    /// first label.
    pub(super) fn covers(&self, host: &str) -> bool {
        let Self::Dns(name) = self else { return false };
        match name.strip_prefix("*.") {
            Some(parent) => host.split_once('.').is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(parent)),
            None => name.eq_ignore_ascii_case(host),
        }
    }
}

/// Every name of a certificate in DER; none where there are none, or it cannot be read.
pub(super) fn of(certificate: &[u8]) -> Vec<Name> {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else { return Vec::new() };
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return Vec::new() };
    extension.value.general_names.iter().filter_map(name).collect()
}

fn name(name: &GeneralName<'_>) -> Option<Name> {
    match name {
        GeneralName::DNSName(name) => Some(Name::Dns((*name).to_owned())),
        GeneralName::URI(name) | GeneralName::RFC822Name(name) => Some(Name::Text((*name).to_owned())),
        GeneralName::IPAddress(bytes) => {
            let four = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            four.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from)).ok().map(Name::Ip)
        }
        _ => None,
    }
}

/// Whether now is within the time that a certificate is good for.
pub(super) fn is_current(certificate: &[u8]) -> bool {
    X509Certificate::from_der(certificate).is_ok_and(|(_, certificate)| certificate.validity().is_valid())
}

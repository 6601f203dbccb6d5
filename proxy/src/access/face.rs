//! Identity on one face of management.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::RwLock;
use rustls::ServerConfig;
use speedmimi_model::{AuthClient, Management, Role};
use tokio::sync::watch;

use super::guesses::Guesses;
use super::names::Name;
use super::peer::{Certified, Peer};
use super::tls::{self, Fingerprints};
use super::tokens::Tokens;
use crate::control::{Caller, Scope};

/// Who may call at an address, and how it proves itself.
#[derive(Debug)]
pub struct Face {
    /// Whether callers have to say who they are.
    asks: bool,
    clients: Vec<AuthClient>,
    /// The host it is bound to, as configured.
    host: String,
    material: RwLock<Arc<Material>>,
    guesses: Guesses,
    /// How often the files were read again.
    renewals: watch::Sender<u64>,
}

/// How connections are secured.
#[derive(Debug, Clone)]
pub struct Secured {
    /// For handshakes.
    pub config: Arc<ServerConfig>,
    /// Tells the authorities of client certificates from those before and after.
    pub trust: u64,
}

/// What is read from files.
#[derive(Debug, Default)]
pub(super) struct Material {
    pub(super) tokens: Option<Tokens>,
    tls: Option<Secured>,
    /// Of its certificates.
    pub(super) fingerprints: Option<Fingerprints>,
    names: Vec<Name>,
    warnings: Vec<String>,
}

/// Why it is not known who calls. What could be done about it is said; whether a token is nearly right is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    /// Nothing was shown.
    #[error(
        "who calls is not known: send `authorization: Bearer TOKEN` (speedctl --token-file FILE) or a client certificate \
         that auth.clients names (speedctl --cert FILE --key FILE)"
    )]
    Silent,
    /// A token that is none of ours.
    #[error("this token is not known here; has it been withdrawn, or was another proxy meant?")]
    Token,
    /// Something else than one token.
    #[error("authorization has to be one line of the form `Bearer TOKEN`")]
    Malformed,
    /// A certificate that stands for nobody.
    #[error("no name of this certificate is among auth.clients")]
    Certificate,
    /// A certificate of an authority that is not ours any more.
    #[error("the authorities of client certificates were replaced since this connection began: connect again")]
    Outdated,
    /// The files were read again, and what was shown stands for other rights now.
    #[error("tokens or certificates were replaced, and this caller has other rights now: call again")]
    Changed,
    /// Too many wrong tokens wait for their answers; this one was not looked at.
    #[error("too many wrong tokens came from here: send this again in a few seconds")]
    Crowded,
    /// A user that this process does not belong to.
    #[error("user {0} may not use this socket without a token: it belongs to the user of the proxy and to root")]
    User(u32),
    /// From another machine, where nobody is asked.
    #[error("without auth, management answers this machine alone")]
    Elsewhere,
}

impl Material {
    /// Reads the files that a section names; what is wrong with them goes to the faults.
    pub(super) fn read(
        section: &str,
        management: &Management,
        protocol: &'static [u8],
        faults: &mut Vec<String>,
    ) -> Option<Self> {
        let before = faults.len();
        let mut material = Self::default();
        if !management.enabled {
            return Some(material);
        }
        if let Some(files) = &management.tls {
            match tls::read(files, protocol) {
                Ok(tls::Read { config, trust, names, fingerprints, warning }) => {
                    (material.tls, material.names) = (Some(Secured { config, trust }), names);
                    material.fingerprints = Some(fingerprints);
                    material.warnings.extend(warning.map(|warning| format!("{section}.tls.{warning}")));
                }
                Err(found) => faults.extend(found.into_iter().map(|fault| format!("{section}.tls.{fault}"))),
            }
        }
        if let Some(path) = management.auth.as_ref().and_then(|auth| auth.tokens_file.as_ref()) {
            match Tokens::read(path) {
                Ok((tokens, warning)) => {
                    material.tokens = Some(tokens);
                    let warning = warning.map(|warning| format!("{section}.auth.tokens_file: {warning}"));
                    material.warnings.extend(warning);
                }
                Err(found) => {
                    faults.extend(found.into_iter().map(|fault| format!("{section}.auth.tokens_file: {fault}")));
                }
            }
        }
        (faults.len() == before).then_some(material)
    }
}

impl Face {
    pub(super) fn new(management: &Management, material: Material) -> Self {
        let clients = management.auth.as_ref().map(|auth| auth.clients.clone()).unwrap_or_default();
        Self {
            asks: management.auth.is_some(),
            clients,
            host: management.host.clone(),
            material: RwLock::new(Arc::new(material)),
            guesses: Guesses::default(),
            renewals: watch::Sender::new(0),
        }
    }

    /// Where nobody has to say who they are.
    pub fn open() -> Self {
        Self::new(&Management::on(0), Material::default())
    }

    /// How connections are secured; `None`: not.
    pub fn tls(&self) -> Option<Secured> {
        self.material().tls.clone()
    }

    /// Whether the certificate of a connection was checked against authorities that are no longer ours.
    pub fn is_outdated(&self, peer: &Peer) -> bool {
        peer.certified != Certified::No && self.material().tls.as_ref().is_none_or(|tls| tls.trust != peer.trust)
    }

    /// Told whenever the files were read again: who was known may be so no longer.
    pub fn renewals(&self) -> watch::Receiver<u64> {
        self.renewals.subscribe()
    }

    /// Who may call with a certificate.
    pub fn clients(&self) -> &[AuthClient] {
        &self.clients
    }

    /// Whether a host, as it stands in a request without its port, is a name of this face: the configured one, or one
    /// of its certificate.
    pub fn is_named(&self, host: &str) -> bool {
        host.eq_ignore_ascii_case(&self.host) || self.material().names.iter().any(|name| name.covers(host))
    }

    /// Who calls: by its token, else by its certificate, else by the connection. `authorization` are the values of
    /// that field. Where wrong tokens from the same place are still waiting for their answers, no further one is looked
    /// at: neither what is said nor how soon tells whether it is right.
    pub fn identify<'a>(&self, peer: &Peer, authorization: impl Iterator<Item = &'a [u8]>) -> Result<Caller, Unknown> {
        let mut authorization = authorization.peekable();
        if self.asks
            && authorization.peek().is_some()
            && !peer.line.is_trusted()
            && peer.ip.is_some_and(|ip| self.guesses.is_crowded(ip))
        {
            return Err(Unknown::Crowded);
        }
        self.recognise(peer, authorization)
    }

    /// As [`Face::identify`], for a caller that was let in before.
    pub fn recognise<'a>(
        &self,
        peer: &Peer,
        mut authorization: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Caller, Unknown> {
        let caller =
            |who: &str, role, scope| Ok(Caller { who: who.into(), from: peer.from.clone(), role, scope, asks: "" });
        let shown = authorization.next();
        if self.asks
            && let Some(shown) = shown
        {
            let token = bearer(shown).filter(|_| authorization.next().is_none()).ok_or(Unknown::Malformed)?;
            let material = self.material();
            let holder = material.tokens.as_ref().and_then(|tokens| tokens.holder(token)).ok_or(Unknown::Token)?;
            return caller(&holder.name, holder.role, holder.scope.clone());
        }
        if let Some(uid) = peer.uid {
            let own = uid == 0 || uid == rustix::process::geteuid().as_raw();
            return if own {
                caller(&format!("uid:{uid}"), Role::Admin, Scope::default())
            } else {
                Err(Unknown::User(uid))
            };
        }
        match (&peer.certified, peer.ip) {
            (Certified::Client(client), _) if !self.is_outdated(peer) => {
                let scope = if client.upstreams.is_empty() { Scope::default() } else { Scope::only(&client.upstreams) };
                caller(&client.san, client.role, scope)
            }
            (Certified::Client(_), _) => Err(Unknown::Outdated),
            (Certified::Stranger, _) => Err(Unknown::Certificate),
            (Certified::No, _) if self.asks => Err(Unknown::Silent),
            (Certified::No, Some(ip)) if ip.is_loopback() => Ok(Caller::api(peer.from.clone())),
            (Certified::No, _) => Err(Unknown::Elsewhere),
        }
    }

    /// Before a wrong token is answered: the more of them from one address, the longer.
    pub async fn hesitate(&self, peer: &Peer) {
        if let Some(ip) = peer.ip {
            peer.line.doubt();
            let length: Duration = self.guesses.wrong(ip, Instant::now());
            self.guesses.wait(ip, length).await;
        }
    }

    pub(super) fn renew(&self, material: Arc<Material>) {
        *self.material.write() = material;
        self.renewals.send_modify(|times| *times += 1);
        self.warn();
    }

    /// Tells the log what is not well with the files, and how many tokens there are.
    pub(super) fn warn(&self) {
        let material = self.material();
        for warning in &material.warnings {
            tracing::warn!("{warning}");
        }
        if let Some(tokens) = &material.tokens {
            tracing::debug!(tokens = tokens.len(), "tokens of management are in force");
        }
    }

    pub(super) fn material(&self) -> Arc<Material> {
        self.material.read().clone()
    }
}

/// The token of `Bearer TOKEN` (RFC 6750, section 2.1); the word in any case (RFC 9110, section 11.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked(7)?;
    if !scheme.eq_ignore_ascii_case(b"Bearer ") {
        return None;
    }
    let token = rest.trim_ascii();
    (!token.is_empty() && token.iter().all(u8::is_ascii_graphic)).then_some(token)
}

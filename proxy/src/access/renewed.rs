//! Files of tokens and certificates that were read again, and what they say otherwise than those in force.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::face::{Face, Material};
use super::tokens::Tokens;

/// Files that were read again and are good.
#[derive(Debug)]
pub struct Renewed {
    faces: Vec<(Arc<Face>, Arc<Material>)>,
    /// What was read, by its key: `grpc.auth.tokens_file: 3 tokens`.
    pub files: Vec<String>,
    /// What is otherwise than before.
    pub changes: Vec<Renewal>,
}

/// Something that is otherwise in the files. Neither a token nor its hash is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renewal {
    /// The key, and for a token its holder: `grpc.auth.tokens_file.NAME`.
    pub path: String,
    /// What was there.
    pub before: Option<String>,
    /// What is there.
    pub after: Option<String>,
}

impl Renewed {
    pub(super) fn new(faces: [(&'static str, &Arc<Face>, Material); 2]) -> Self {
        let (mut all, mut files, mut changes) = (Vec::new(), Vec::new(), Vec::new());
        for (section, face, material) in faces {
            files.extend(read(section, &material));
            changes.extend(differ(section, &face.material(), &material));
            all.push((face.clone(), Arc::new(material)));
        }
        Self { faces: all, files, changes }
    }

    /// From now on these are in force, for new connections and new calls.
    pub fn install(&self) {
        for (face, material) in &self.faces {
            face.renew(material.clone());
        }
    }
}

fn read(section: &str, material: &Material) -> Vec<String> {
    let counted = |count: usize, one: &str, more: &str| match count {
        1 => format!("1 {one}"),
        count => format!("{count} {more}"),
    };
    let mut files = Vec::new();
    if let Some(tokens) = &material.tokens {
        files.push(format!("{section}.auth.tokens_file: {}", counted(tokens.len(), "token", "tokens")));
    }
    if let Some(shown) = &material.fingerprints {
        files.push(format!("{section}.tls.cert_file: {}", shown.certificate));
        if !shown.authorities.is_empty() {
            let told = counted(shown.authorities.len(), "authority", "authorities");
            files.push(format!("{section}.tls.client_ca_file: {told}"));
        }
    }
    files
}

fn differ(section: &str, before: &Material, after: &Material) -> Vec<Renewal> {
    let mut changes = holders(&format!("{section}.auth.tokens_file"), [&before.tokens, &after.tokens]);
    let [was, is] = [before, after].map(|material| material.fingerprints.as_ref());
    let mut compare = |key: &str, before: Option<String>, after: Option<String>| {
        if before != after {
            changes.push(Renewal { path: format!("{section}.tls.{key}"), before, after });
        }
    };
    let certificate = |shown: Option<&super::tls::Fingerprints>| shown.map(|shown| shown.certificate.clone());
    compare("cert_file", certificate(was), certificate(is));
    let authorities = |shown: Option<&super::tls::Fingerprints>| {
        shown.map(|shown| shown.authorities.join(", ")).filter(|all| !all.is_empty())
    };
    compare("client_ca_file", authorities(was), authorities(is));
    changes
}

/// Whose tokens are new, gone, or stand for something else.
fn holders(key: &str, [before, after]: [&Option<Tokens>; 2]) -> Vec<Renewal> {
    let [was, is] = [before, after].map(|tokens| tokens.as_ref().map(Tokens::by_name).unwrap_or_default());
    let names: BTreeSet<&str> = was.keys().chain(is.keys()).copied().collect();
    let differ = names.into_iter().filter(|name| was.get(name) != is.get(name)).map(|name| {
        let before = was.get(name).map(|(_, holder)| holder.rights());
        let mut after = is.get(name).map(|(_, holder)| holder.rights());
        if let Some(after) = after.as_mut().filter(|after| before.as_ref() == Some(*after)) {
            after.push_str(", another token");
        }
        Renewal { path: format!("{key}.{name}"), before, after }
    });
    differ.collect()
}

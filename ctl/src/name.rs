//! How a backend is named on the command line.

use std::fmt;

use speedmimi_proto::v1::BackendEntry;

use crate::args::NameArguments;
use crate::client::Client;
use crate::failure::Failure;

/// The upstream that is meant when none is named.
const DEFAULT_UPSTREAM: &str = "default";

/// One backend.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct BackendName {
    /// Name of its upstream.
    pub(crate) upstream: String,
    /// Its id.
    pub(crate) id: String,
}

impl fmt::Display for BackendName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.upstream, self.id)
    }
}

impl From<&BackendEntry> for BackendName {
    fn from(entry: &BackendEntry) -> Self {
        let id = entry.backend.as_ref().map(|backend| backend.id.clone()).unwrap_or_default();
        Self { upstream: entry.upstream.clone(), id }
    }
}

/// What the arguments say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Named {
    /// This backend.
    One(BackendName),
    /// The only one there is, in this upstream or in any.
    Only(Option<String>),
}

impl NameArguments {
    /// What the arguments say, as far as they alone can tell.
    pub(crate) fn named(&self) -> Result<Named, Failure> {
        let wrong = |message: String| Failure::usage(message, "write UPSTREAM/ID, ID, or --upstream U --id B");
        let (upstream, id) = match (&self.name, &self.id) {
            (Some(name), _) => match (name.split_once('/'), &self.upstream) {
                (Some(_), Some(_)) => return Err(wrong(format!("{name} names an upstream, and so does --upstream"))),
                (Some((upstream, id)), None) => (Some(upstream), Some(id)),
                (None, upstream) => (upstream.as_deref(), Some(name.as_str())),
            },
            (None, id) => (self.upstream.as_deref(), id.as_deref()),
        };
        if upstream == Some("") || id == Some("") {
            return Err(wrong("a name of a backend is empty".to_owned()));
        }
        Ok(match id {
            Some(id) => {
                Named::One(BackendName { upstream: upstream.unwrap_or(DEFAULT_UPSTREAM).to_owned(), id: id.to_owned() })
            }
            None => Named::Only(upstream.map(str::to_owned)),
        })
    }

    /// The backend that is meant; asks the proxy when the arguments name none.
    pub(crate) async fn resolve(&self, client: &Client) -> Result<BackendName, Failure> {
        match self.named()? {
            Named::One(name) => Ok(name),
            Named::Only(upstream) => only(&client.all_backends(upstream.as_deref()).await?.backends),
        }
    }
}

/// For a backend that is to be: the upstream and, if it was said, the id.
pub(crate) fn for_new(arguments: &NameArguments) -> Result<(String, String), Failure> {
    Ok(match arguments.named()? {
        Named::One(name) => (name.upstream, name.id),
        Named::Only(upstream) => (upstream.unwrap_or_else(|| DEFAULT_UPSTREAM.to_owned()), String::new()),
    })
}

/// The only backend, or why there is no such.
fn only(backends: &[BackendEntry]) -> Result<BackendName, Failure> {
    match backends {
        [] => Err(Failure::usage("there is no backend", "speedctl backend add makes one")),
        [one] => Ok(BackendName::from(one)),
        several => {
            let names: Vec<String> = several.iter().map(|entry| BackendName::from(entry).to_string()).collect();
            Err(Failure::usage(
                format!("which backend? There are {}", several.len()),
                format!("name one of {}", crate::printer::clean(&names.join(", "))),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use speedmimi_proto::v1::Backend;

    use super::*;

    fn named(name: Option<&str>, upstream: Option<&str>, id: Option<&str>) -> Result<Named, u8> {
        let own = |text: Option<&str>| text.map(str::to_owned);
        let arguments = NameArguments { name: own(name), upstream: own(upstream), id: own(id) };
        arguments.named().map_err(|failure| failure.exit_code())
    }

    fn one(upstream: &str, id: &str) -> Result<Named, u8> {
        Ok(Named::One(BackendName { upstream: upstream.to_owned(), id: id.to_owned() }))
    }

    #[test]
    fn every_spelling_names_the_same() {
        assert_eq!(named(Some("b1"), None, None), one("default", "b1"));
        assert_eq!(named(Some("api/b1"), None, None), one("api", "b1"));
        assert_eq!(named(Some("b1"), Some("api"), None), one("api", "b1"));
        assert_eq!(named(None, Some("api"), Some("b1")), one("api", "b1"));
        assert_eq!(named(None, None, Some("b1")), one("default", "b1"));
        assert_eq!(named(None, None, Some("a/b")), one("default", "a/b"));
        assert_eq!(named(Some("[::1]:80"), None, None), one("default", "[::1]:80"));
        assert_eq!(named(None, Some("api"), None), Ok(Named::Only(Some("api".to_owned()))));
        assert_eq!(named(None, None, None), Ok(Named::Only(None)));
        assert_eq!(named(Some("api/b1"), Some("api"), None), Err(2));
        assert_eq!(named(Some("/b1"), None, None), Err(2));
        assert_eq!(named(Some("api/"), None, None), Err(2));
        assert_eq!(named(None, Some(""), None), Err(2));
    }

    #[test]
    fn the_only_one_needs_no_name_and_several_are_listed() {
        let entry = |id: &str| BackendEntry {
            upstream: "api".to_owned(),
            backend: Some(Backend { id: id.to_owned(), ..Backend::default() }),
            status: None,
        };
        assert_eq!(only(&[entry("b1")]).map(|name| name.to_string()).ok().as_deref(), Some("api/b1"));
        assert_eq!(only(&[]).map_err(|failure| failure.exit_code()), Err(2));
        let failure = only(&[entry("b1"), entry("b2")]).expect_err("there are two");
        assert_eq!(failure.exit_code(), 2);
        assert!(failure.render(false).contains("api/b1, api/b2"), "{failure:?}");
    }
}

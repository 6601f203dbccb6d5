//! Host and path to route: exact hosts before wildcards before none, exact paths before the longest prefix.

use std::collections::HashMap;

use speedmimi_model::{HostPattern, PathMatch, Route};

/// What a lookup found, and by which rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found<'a> {
    /// The index that the route was compiled with.
    pub index: usize,
    /// The host pattern that matched.
    pub host: HostRule<'a>,
    /// The path that matched.
    pub path: PathRule<'a>,
}

/// A host pattern of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostRule<'a> {
    /// Every host.
    Any,
    /// This one.
    Exact(&'a [u8]),
    /// Those that end like this: `.example.com`.
    Suffix(&'a [u8]),
}

/// A path of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathRule<'a> {
    /// This one.
    Exact(&'a [u8]),
    /// Those below it; without a final slash.
    Prefix(&'a [u8]),
}

/// The compiled routing table. Paths are compared in the normal form that `speedmimi_http1::path` produces.
#[derive(Debug, Default)]
pub struct RouteTable {
    exact_hosts: HashMap<Box<[u8]>, Paths>,
    /// `.example.com` for `*.example.com`, longest first.
    suffixes: Vec<(Box<[u8]>, Paths)>,
    any_host: Paths,
}

/// The paths of one host.
#[derive(Debug, Default)]
struct Paths {
    exact: HashMap<Box<[u8]>, usize>,
    /// Longest first. Kept without a final slash, so that `/api` and `/api/` mean the same segment boundary.
    prefixes: Vec<(Box<[u8]>, usize)>,
}

impl RouteTable {
    /// Compiles routes; each comes with the index that a lookup returns.
    pub fn new<'a>(routes: impl Iterator<Item = (usize, &'a Route)>) -> Self {
        let mut table = Self::default();
        for (index, route) in routes {
            if route.hosts.is_empty() {
                table.any_host.insert(&route.path, index);
            }
            for host in &route.hosts {
                match host {
                    HostPattern::Exact(name) => {
                        table.exact_hosts.entry(name.as_bytes().into()).or_default().insert(&route.path, index);
                    }
                    HostPattern::Wildcard(suffix) => table.suffix(suffix.as_bytes()).insert(&route.path, index),
                }
            }
        }
        table.suffixes.sort_by_key(|(suffix, _)| std::cmp::Reverse(suffix.len()));
        table.any_host.sort();
        table.suffixes.iter_mut().map(|(_, paths)| paths).for_each(Paths::sort);
        table.exact_hosts.values_mut().for_each(Paths::sort);
        table
    }

    /// A table that sends everything to one route.
    pub fn everything(index: usize) -> Self {
        let mut table = Self::default();
        table.any_host.prefixes.push((Box::default(), index));
        table
    }

    /// The route for a host (lower case, without port) and a normalised path. A host's own routes are tried first;
    /// where none of them matches, the next wider host pattern is.
    #[inline]
    pub fn find(&self, host: &[u8], path: &[u8]) -> Option<usize> {
        self.search(host, path).map(|found| found.index)
    }

    /// The same, with the rule that matched.
    #[inline]
    pub fn search(&self, host: &[u8], path: &[u8]) -> Option<Found<'_>> {
        let found = |host, (index, path)| Found { index, host, path };
        if !self.exact_hosts.is_empty()
            && let Some((name, paths)) = self.exact_hosts.get_key_value(host)
            && let Some(by) = paths.find(path)
        {
            return Some(found(HostRule::Exact(name), by));
        }
        for (suffix, paths) in &self.suffixes {
            if host.len() > suffix.len()
                && host.ends_with(suffix)
                && let Some(by) = paths.find(path)
            {
                return Some(found(HostRule::Suffix(suffix), by));
            }
        }
        self.any_host.find(path).map(|by| found(HostRule::Any, by))
    }

    fn suffix(&mut self, suffix: &[u8]) -> &mut Paths {
        let dotted: Box<[u8]> =
            if suffix.starts_with(b".") { suffix.into() } else { [b".", suffix].concat().into_boxed_slice() };
        let position = self.suffixes.iter().position(|(known, _)| *known == dotted).unwrap_or_else(|| {
            self.suffixes.push((dotted, Paths::default()));
            self.suffixes.len() - 1
        });
        &mut self.suffixes[position].1
    }
}

impl Paths {
    fn insert(&mut self, path: &PathMatch, index: usize) {
        match path {
            PathMatch::Exact(path) => {
                self.exact.insert(path.as_bytes().into(), index);
            }
            PathMatch::Prefix(prefix) => {
                let trimmed = prefix.trim_end_matches('/').as_bytes();
                self.prefixes.push((trimmed.into(), index));
            }
        }
    }

    fn sort(&mut self) {
        self.prefixes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
    }

    #[inline]
    fn find(&self, path: &[u8]) -> Option<(usize, PathRule<'_>)> {
        if !self.exact.is_empty()
            && let Some((exact, &index)) = self.exact.get_key_value(path)
        {
            return Some((index, PathRule::Exact(exact)));
        }
        let prefix = self.prefixes.iter().find(|(prefix, _)| covers(prefix, path));
        prefix.map(|(prefix, index)| (*index, PathRule::Prefix(prefix)))
    }
}

/// Whether the prefix covers the path and ends at a segment boundary of it.
fn covers(prefix: &[u8], path: &[u8]) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| prefix.is_empty() || rest.is_empty() || rest[0] == b'/')
}

#[cfg(test)]
mod tests {
    use speedmimi_model::Config;

    use super::*;

    fn table(routing: &str) -> (RouteTable, Vec<String>) {
        let text = format!("backends: {{a: [{{host: 127.0.0.1, port: 1}}]}}\nrouting:\n{routing}");
        let config: Config = speedmimi_model::parse("test", &text).expect("a valid configuration");
        let names: Vec<String> = config.routes.keys().cloned().collect();
        (RouteTable::new(config.routes.values().enumerate()), names)
    }

    #[test]
    fn longest_prefix_wins_and_ends_at_a_segment_boundary() {
        let (table, names) = table(
            "  root: {path: /, upstream: a}\n  api: {path: /api, upstream: a}\n  v2: {path: /api/v2/, upstream: a}\n  \
             one: {path_exact: /api/one, upstream: a}\n",
        );
        let find = |path: &str| names[table.find(b"h", path.as_bytes()).expect("the root route")].as_str();
        assert_eq!(find("/"), "root");
        assert_eq!(find("/api"), "api");
        assert_eq!(find("/api/x"), "api");
        assert_eq!(find("/apix"), "root");
        assert_eq!(find("/api/v2"), "v2");
        assert_eq!(find("/api/v2/x"), "v2");
        assert_eq!(find("/api/one"), "one");
        assert_eq!(find("/api/one/more"), "api");
    }

    #[test]
    fn exact_host_beats_wildcard_beats_none() {
        let (table, names) = table(
            "  exact: {host: a.example.com, path: /x, upstream: a}\n  \
             wild: {hosts: ['*.example.com'], path: /, upstream: a}\n  any: {path: /, upstream: a}\n",
        );
        let find = |host: &str, path: &str| names[table.find(host.as_bytes(), path.as_bytes()).expect("any")].as_str();
        assert_eq!(find("a.example.com", "/x"), "exact");
        assert_eq!(find("a.example.com", "/y"), "wild");
        assert_eq!(find("b.example.com", "/x"), "wild");
        assert_eq!(find("example.com", "/x"), "any");
        assert_eq!(find("other", "/x"), "any");
    }

    #[test]
    fn no_route_is_no_route() {
        let (table, _) = table("  api: {path: /api, upstream: a}\n");
        assert_eq!(table.find(b"h", b"/"), None);
        assert_eq!(RouteTable::everything(3).find(b"h", b"/any"), Some(3));
    }
}

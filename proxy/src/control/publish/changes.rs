//! What a new configuration makes of backends, so that publishing it costs what changed and not what there is.

use std::collections::HashMap;
use std::sync::Arc;

use speedmimi_model::{Backend, Config};

/// The backends that are not what they were, each with the name of its upstream.
#[derive(Debug, Default)]
pub(in crate::control) struct Changes<'a> {
    /// There now, and not before.
    pub(super) added: Vec<(&'a str, &'a Backend)>,
    /// There before, and not now.
    pub(super) removed: Vec<(&'a str, &'a Backend)>,
    /// There before and now, otherwise.
    pub(super) kept: Vec<(&'a str, &'a Backend, &'a Backend)>,
    /// An upstream has another check for its backends.
    rechecked: bool,
    /// Other names of routes.
    renamed: bool,
}

impl<'a> Changes<'a> {
    /// What lies between two configurations.
    pub(in crate::control) fn between(before: &'a Config, after: &'a Config) -> Self {
        let mut changes = Self { renamed: !before.routes.keys().eq(after.routes.keys()), ..Self::default() };
        for (name, new) in &after.upstreams {
            let old = before.upstreams.get(name);
            changes.rechecked |= old.is_some_and(|old| old.health_check != new.health_check);
            changes.group(name, old.map(|old| old.backends.as_slice()).unwrap_or_default(), &new.backends);
        }
        for (name, old) in before.upstreams.iter().filter(|(name, _)| !after.upstreams.contains_key(*name)) {
            changes.group(name, &old.backends, &[]);
        }
        changes
    }

    fn group(&mut self, upstream: &'a str, old: &'a [Arc<Backend>], new: &'a [Arc<Backend>]) {
        let same_ids = || old.iter().zip(new).all(|(old, new)| Arc::ptr_eq(old, new) || old.id == new.id);
        if old.len() == new.len() && same_ids() {
            let both = old.iter().zip(new).filter(|(old, new)| old != new);
            self.kept.extend(both.map(|(old, new)| (upstream, &**old, &**new)));
            return;
        }
        let mut left: HashMap<&str, &Arc<Backend>> = old.iter().map(|backend| (backend.id.as_str(), backend)).collect();
        for backend in new {
            match left.remove(backend.id.as_str()) {
                None => self.added.push((upstream, backend)),
                Some(old) if old != backend => self.kept.push((upstream, old, backend)),
                Some(_) => {}
            }
        }
        self.removed.extend(left.into_values().map(|backend| (upstream, &**backend)));
    }

    /// Those that are there now.
    pub(super) fn now(&self) -> impl Iterator<Item = (&'a str, &'a Backend)> {
        self.added.iter().copied().chain(self.kept.iter().map(|(upstream, _, new)| (*upstream, *new)))
    }

    /// Those whose address was not theirs before.
    pub(in crate::control) fn moved(&self) -> impl Iterator<Item = &'a Backend> {
        let elsewhere = |(_, old, new): &&(&str, &Backend, &Backend)| (&old.host, old.port) != (&new.host, new.port);
        let kept = self.kept.iter().filter(elsewhere).map(|(_, _, new)| *new);
        self.added.iter().map(|(_, backend)| *backend).chain(kept)
    }

    /// Whether other addresses are in use.
    pub(in crate::control) fn move_something(&self) -> bool {
        !self.removed.is_empty() || self.moved().next().is_some()
    }

    /// Whether something of a name is no longer there.
    pub(super) fn leave_something(&self) -> bool {
        !self.removed.is_empty() || self.renamed
    }

    /// Whether health is to be looked at otherwise.
    pub(in crate::control) fn change_checks(&self) -> bool {
        self.rechecked
            || self.move_something()
            || self.kept.iter().any(|(_, old, new)| old.health_check != new.health_check)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(before: &str, after: &str) -> ([Vec<String>; 4], [bool; 3]) {
        let [before, after] = [before, after].map(|text| speedmimi_model::parse("test", text).expect("valid"));
        let changes = Changes::between(&before, &after);
        let name = |(upstream, backend): &(&str, &Backend)| format!("{upstream}/{}", backend.id);
        let kept = changes.kept.iter().map(|(upstream, _, new)| format!("{upstream}/{}", new.id)).collect();
        let moved = changes.moved().map(|backend| backend.id.clone()).collect();
        let mut removed: Vec<_> = changes.removed.iter().map(name).collect();
        removed.sort();
        let does = [changes.move_something(), changes.leave_something(), changes.change_checks()];
        ([changes.added.iter().map(name).collect(), removed, kept, moved], does)
    }

    fn lists(lists: [&[&str]; 4]) -> [Vec<String>; 4] {
        lists.map(|list| list.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn every_backend_that_is_otherwise_is_told_and_no_other() {
        let two = "backends: {u: [{id: a, host: h, port: 1}, {id: b, host: h, port: 2}]}";
        let turned = "backends: {u: [{id: b, host: h, port: 2}, {id: a, host: h, port: 1}]}";
        for same in [two, turned] {
            assert_eq!(told(two, same), (lists([&[], &[], &[], &[]]), [false; 3]), "{same}");
        }
        let heavier = "backends: {u: [{id: a, host: h, port: 1}, {id: b, host: h, port: 2, weight: 7}]}";
        assert_eq!(told(two, heavier), (lists([&[], &[], &["u/b"], &[]]), [false; 3]));
        let moved = "backends: {u: [{id: a, host: i, port: 1}, {id: b, host: h, port: 3}]}";
        assert_eq!(told(two, moved), (lists([&[], &[], &["u/a", "u/b"], &["a", "b"]]), [true, false, true]));
        let three = "backends: {u: [{id: c, host: h, port: 3}, {id: b, host: h, port: 2, max_conn: 1}, {id: a, host: h, port: 1}]}";
        assert_eq!(told(two, three), (lists([&["u/c"], &[], &["u/b"], &["c"]]), [true, false, true]));
        assert_eq!(told(three, two), (lists([&[], &["u/c"], &["u/b"], &[]]), [true, true, true]));
        let swapped = "backends: {u: [{id: a, host: h, port: 1}, {id: c, host: h, port: 2}]}";
        assert_eq!(told(two, swapped), (lists([&["u/c"], &["u/b"], &[], &["c"]]), [true, true, true]));
        let elsewhere = "backends: {v: [{id: a, host: h, port: 1}, {id: b, host: h, port: 2}]}";
        assert_eq!(
            told(two, elsewhere),
            (lists([&["v/a", "v/b"], &["u/a", "u/b"], &[], &["a", "b"]]), [true, true, true])
        );
    }

    #[test]
    fn checks_and_routes_are_looked_at_too() {
        let plain = "backends: {u: [{id: a, host: h, port: 1}]}";
        let checked = "backends: {u: [{id: a, host: h, port: 1, health_check: {type: tcp}}]}";
        assert_eq!(told(plain, checked), (lists([&[], &[], &["u/a"], &[]]), [false, false, true]));
        let group = "backends: {u: [{id: a, host: h, port: 1}]}\nupstreams: {u: {health_check: {type: tcp}}}";
        assert_eq!(told(plain, group), (lists([&[], &[], &[], &[]]), [false, false, true]));
        let routed = "backends: {u: [{id: a, host: h, port: 1}]}\nrouting: {r: {upstream: u}}";
        assert_eq!(told(plain, routed), (lists([&[], &[], &[], &[]]), [false, true, false]));
    }
}

//! Which objects of two configurations differ.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Backend, Config, Upstream};
use crate::diff;
use crate::fields;
use crate::object::Object;

impl Config {
    /// Every object that is not the same in the other configuration, in order. The order of backends is none of them.
    pub fn changed_objects(&self, other: &Self) -> Vec<Object> {
        let mut found = Vec::new();
        let names: BTreeSet<&String> = self.upstreams.keys().chain(other.upstreams.keys()).collect();
        for name in names {
            let (old, new) = (self.upstreams.get(name), other.upstreams.get(name));
            let (old, new) = (by_id(old), by_id(new));
            let ids: BTreeSet<&&str> = old.keys().chain(new.keys()).collect();
            let differ = ids.into_iter().filter(|id| old.get(*id) != new.get(*id));
            found.extend(differ.map(|id| Object::backend(name, *id)));
        }
        let upstreams = self.upstreams.keys().chain(other.upstreams.keys()).map(|name| Object::Upstream(name.clone()));
        let routes = self.routes.keys().chain(other.routes.keys()).map(|name| Object::Route(name.clone()));
        let sections = fields::sections().map(|name| Object::Section(name.into()));
        let others: BTreeSet<Object> = upstreams.chain(routes).chain(sections).collect();
        found.extend(others.into_iter().filter(|object| !self.same(other, object)));
        found.sort();
        found
    }

    /// Whether an object is there, and is what it is in the other configuration.
    pub(crate) fn same(&self, other: &Self, object: &Object) -> bool {
        match object {
            Object::Backend { upstream, id } => self.backend(upstream, id) == other.backend(upstream, id),
            Object::Upstream(name) => match (self.upstreams.get(name), other.upstreams.get(name)) {
                (Some(one), Some(two)) => same_policy(one, two),
                (one, two) => one.is_none() == two.is_none(),
            },
            Object::Route(name) => self.routes.get(name) == other.routes.get(name),
            Object::Section(name) => match name.as_str() {
                "server" => self.server == other.server,
                "grpc" => self.grpc == other.grpc,
                "admin" => self.admin == other.admin,
                "log" => self.log == other.log,
                "access_log" => self.access_log == other.access_log,
                "state" => self.state == other.state,
                _ => true,
            },
        }
    }

    /// Every object, sections included.
    pub fn objects(&self) -> impl Iterator<Item = Object> + '_ {
        let backends = self
            .upstreams
            .iter()
            .flat_map(|(name, group)| group.backends.iter().map(move |backend| Object::backend(name, &backend.id)));
        let upstreams = self.upstreams.keys().map(|name| Object::Upstream(name.clone()));
        let routes = self.routes.keys().map(|name| Object::Route(name.clone()));
        let sections = fields::sections().map(|name| Object::Section(name.into()));
        backends.chain(upstreams).chain(routes).chain(sections)
    }

    /// Whether an object is there.
    pub fn contains(&self, object: &Object) -> bool {
        match object {
            Object::Backend { upstream, id } => self.backend(upstream, id).is_some(),
            Object::Upstream(name) => self.upstreams.contains_key(name),
            Object::Route(name) => self.routes.contains_key(name),
            Object::Section(name) => fields::sections().any(|section| section == name),
        }
    }

    /// The keys in which the other configuration differs and that only a restart can change: `server.port`,
    /// `log.level`; `access_log` alone where one of the two has none.
    pub fn restart_differences(&self, other: &Self) -> Vec<String> {
        let mut found = Vec::new();
        for name in fields::sections() {
            let object = Object::Section(name.into());
            if self.same(other, &object) {
                continue;
            }
            if name == "access_log" && self.access_log.is_some() != other.access_log.is_some() {
                found.push(name.to_owned());
                continue;
            }
            let (one, two) = (self.part(&object).unwrap_or_default(), other.part(&object).unwrap_or_default());
            let differ =
                fields::of(&object).iter().filter(|field| field.restart && diff::differ(&one, &two, &field.path));
            found.extend(differ.map(|field| format!("{name}.{}", field.path)));
        }
        found
    }
}

fn same_policy(one: &Upstream, two: &Upstream) -> bool {
    // Named one by one, so that a new field is not forgotten here.
    let Upstream { load_balancer, timeouts, pool, health_check, backends: _ } = one;
    *load_balancer == two.load_balancer
        && *timeouts == two.timeouts
        && *pool == two.pool
        && *health_check == two.health_check
}

fn by_id(upstream: Option<&Upstream>) -> BTreeMap<&str, &Arc<Backend>> {
    let backends = upstream.map(|upstream| upstream.backends.as_slice()).unwrap_or_default();
    backends.iter().map(|backend| (backend.id.as_str(), backend)).collect()
}

//! The reference: maps from objects to what the file says of them and to what is in force, and nothing else. It knows
//! neither overlay nor documents.

use std::collections::BTreeMap;

use speedmimi_model::{Backend, Change, Config, Edit, Kind, Object, Route, Selector, Upstream};

/// An object as a value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Thing {
    Backend(Box<Backend>),
    /// Without its backends.
    Upstream(Box<Upstream>),
    Route(Box<Route>),
    /// The server, which stands for all sections.
    Server(Box<speedmimi_model::Server>),
}

pub(crate) type Things = BTreeMap<Object, Thing>;

/// Every object of a configuration.
pub(crate) fn things(config: &Config) -> Things {
    let mut all = Things::new();
    for (name, upstream) in &config.upstreams {
        let policy = Upstream { backends: Vec::new(), ..upstream.clone() };
        all.insert(Object::Upstream(name.clone()), Thing::Upstream(Box::new(policy)));
        for backend in &upstream.backends {
            all.insert(Object::backend(name, &backend.id), Thing::Backend(Box::new(Backend::clone(backend))));
        }
    }
    for (name, route) in &config.routes {
        all.insert(Object::Route(name.clone()), Thing::Route(Box::new(route.clone())));
    }
    all.insert(Object::Section("server".into()), Thing::Server(Box::new(config.server.clone())));
    all
}

/// What the reference knows.
#[derive(Debug, Clone)]
pub(crate) struct Reference {
    pub(crate) file: Things,
    pub(crate) now: Things,
}

impl Reference {
    pub(crate) fn new(file: &Config) -> Self {
        let file = things(file);
        Self { now: file.clone(), file }
    }

    /// What a change makes of it; nothing where it is refused.
    pub(crate) fn apply(&self, change: &Change, earlier: &[Things]) -> Option<Self> {
        let mut next = self.clone();
        match change {
            Change::Add { object, fields } => {
                if let Object::Backend { upstream, .. } = object
                    && !self.now.contains_key(&Object::Upstream(upstream.clone()))
                {
                    return None;
                }
                let mut thing = blank(object)?;
                for (field, value) in fields {
                    set(&mut thing, field, value, &blank(object)?)?;
                }
                if self.now.contains_key(object) || !is_whole(&thing) {
                    return None;
                }
                next.now.insert(object.clone(), thing);
            }
            Change::Update { object, fields } => {
                let mut thing = self.now.get(object)?.clone();
                let base = self.file.get(object).cloned().map_or_else(|| blank(object), Some)?;
                for (field, edit) in fields {
                    match edit {
                        Edit::Set(value) => set(&mut thing, field, value, &blank(object)?)?,
                        Edit::Reset => reset(&mut thing, field, &base)?,
                    }
                }
                if !is_whole(&thing) {
                    return None;
                }
                next.now.insert(object.clone(), thing);
            }
            Change::Remove { object, cascade } => {
                next.now.get(object)?;
                match object {
                    Object::Section(_) => return None,
                    Object::Upstream(name) => {
                        let beneath =
                            |other: &Object| matches!(other, Object::Backend { upstream, .. } if upstream == name);
                        if !cascade && next.now.keys().any(beneath) {
                            return None;
                        }
                        next.now.retain(|other, _| !beneath(other));
                    }
                    Object::Backend { .. } | Object::Route(_) => {}
                }
                next.now.remove(object);
            }
            Change::Apply(document) => {
                // Only a restart can change these.
                let now = |config: &Config| (config.server.host.clone(), config.server.port, config.server.workers);
                let Some(Thing::Server(server)) = self.now.get(&Object::Section("server".into())) else { return None };
                if (server.host.clone(), server.port, server.workers) != now(document) {
                    return None;
                }
                next.now = things(document);
            }
            Change::Clear(Selector::All) => next.now = self.file.clone(),
            Change::Clear(Selector::Object(object)) => next.take_back(object)?,
            Change::Clear(Selector::Field(object, field)) => {
                let fields = BTreeMap::from([(field.clone(), Edit::Reset)]);
                return self.apply(&Change::Update { object: object.clone(), fields }, earlier);
            }
            Change::Restore(_) => next.now = earlier.last()?.clone(),
        }
        next.is_valid().then_some(next)
    }

    /// One object goes back to the file; nothing where that is refused.
    fn take_back(&mut self, object: &Object) -> Option<()> {
        let beneath = |other: &Object| matches!((other, object), (Object::Backend { upstream, .. }, Object::Upstream(name)) if upstream == name);
        let led_here = |thing: &Thing| matches!((thing, object), (Thing::Route(route), Object::Upstream(name)) if route.upstream == *name);
        match (self.now.contains_key(object), self.file.get(object)) {
            (false, None) => return None,
            (true, None) => {
                if self.now.keys().any(beneath) || self.now.values().any(led_here) {
                    return None;
                }
                self.now.remove(object);
            }
            (is_there, Some(file)) => {
                if let Object::Backend { upstream, .. } = object
                    && !self.now.contains_key(&Object::Upstream(upstream.clone()))
                {
                    return None;
                }
                if !is_there {
                    let back = self.file.iter().filter(|(other, _)| beneath(other));
                    self.now.extend(back.map(|(other, thing)| (other.clone(), thing.clone())));
                }
                self.now.insert(object.clone(), file.clone());
            }
        }
        Some(())
    }

    /// What an object is after a reload under which the API holds: each field that is not the old file's is kept.
    /// Nothing where that cannot be told from here.
    pub(crate) fn reloaded(&self, object: &Object, new: &Things) -> Option<Thing> {
        let (old, now, new) = (self.file.get(object), self.now.get(object), new.get(object));
        match (old, now, new) {
            (None, Some(now), _) => Some(now.clone()),
            (None, None, new) => new.cloned(),
            (Some(_), None, _) | (Some(_), Some(_), None) => None,
            (Some(old), Some(now), Some(new)) => {
                let mut merged = new.clone();
                for field in FIELDS {
                    let mut probe = now.clone();
                    if reset(&mut probe, field, old).is_some() && probe != *now {
                        reset(&mut merged, field, now)?;
                    }
                }
                Some(merged)
            }
        }
    }

    fn is_valid(&self) -> bool {
        let upstreams: Vec<&str> = self.names(Kind::Upstream);
        let routes = self.now.values().filter_map(|thing| match thing {
            Thing::Route(route) => Some(&**route),
            _ => None,
        });
        let routes: Vec<&Route> = routes.collect();
        let led = !routes.is_empty() || upstreams.len() == 1 || upstreams.contains(&"default");
        let mut targets = Vec::new();
        for route in &routes {
            let hosts: Vec<Option<String>> = match route.hosts.is_empty() {
                true => vec![None],
                false => {
                    let mut hosts: Vec<_> = route.hosts.iter().map(|host| Some(host.to_string())).collect();
                    hosts.sort();
                    hosts.dedup();
                    hosts
                }
            };
            targets.extend(hosts.into_iter().map(|host| (host, format!("{:?}", route.path).replace("/\")", "\")"))));
        }
        let count = targets.len();
        targets.sort();
        targets.dedup();
        let known = routes.iter().all(|route| upstreams.contains(&route.upstream.as_str()));
        !upstreams.is_empty() && led && known && targets.len() == count
    }

    fn names(&self, kind: Kind) -> Vec<&str> {
        let names = self.now.keys().filter(|object| object.kind() == kind).map(|object| match object {
            Object::Backend { id, .. } => id.as_str(),
            Object::Upstream(name) | Object::Route(name) | Object::Section(name) => name.as_str(),
        });
        names.collect()
    }
}

/// Every field that histories change.
const FIELDS: [&str; 18] = [
    "name",
    "host",
    "port",
    "weight",
    "max_conn",
    "active",
    "labels",
    "health_check",
    "load_balancer",
    "timeouts.connect",
    "timeouts.total",
    "pool.max_idle",
    "upstream",
    "hosts",
    "path",
    "headers.request.set",
    "read_timeout",
    "limits.body",
];

fn blank(object: &Object) -> Option<Thing> {
    Some(match object {
        Object::Backend { id, .. } => {
            Thing::Backend(Box::new(Backend { id: id.clone(), host: String::new(), port: 0, ..Backend::new("", 0) }))
        }
        Object::Upstream(_) => Thing::Upstream(Box::default()),
        Object::Route(_) => Thing::Route(Box::new(Route::to(""))),
        Object::Section(_) => Thing::Server(Box::default()),
    })
}

fn is_whole(thing: &Thing) -> bool {
    match thing {
        Thing::Backend(backend) => !backend.host.is_empty() && backend.port > 0,
        Thing::Route(route) => !route.upstream.is_empty(),
        Thing::Upstream(_) | Thing::Server(_) => true,
    }
}

/// Gives a field a value; nothing where that is refused. Only the fields and values that the histories use.
fn set(thing: &mut Thing, field: &str, value: &serde_json::Value, blank: &Thing) -> Option<()> {
    if value.is_null() {
        return reset(thing, field, blank);
    }
    let seconds = || Some(std::time::Duration::from_secs(value.as_str()?.strip_suffix('s')?.parse().ok()?));
    match (thing, field) {
        (Thing::Backend(backend), "name") => {
            backend.name = Some(value.as_str()?.into()).filter(|name: &String| !name.contains('\u{7}'))
        }
        (Thing::Backend(backend), "host") => backend.host = value.as_str().filter(|host| !host.contains(' '))?.into(),
        (Thing::Backend(backend), "port") => {
            backend.port = u16::try_from(value.as_u64()?).ok().filter(|port| *port > 0)?
        }
        (Thing::Backend(backend), "weight") => {
            backend.weight = value.as_u64().filter(|weight| (1..=1000).contains(weight))? as u32
        }
        (Thing::Backend(backend), "max_conn") => backend.max_conn = value.as_i64()? as i32,
        (Thing::Backend(backend), "active") => backend.active = value.as_bool()?,
        (Thing::Backend(backend), "labels") => {
            let labels = value.as_object()?.iter().map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())));
            backend.labels = labels.collect::<Option<_>>()?;
        }
        (Thing::Backend(backend), "health_check") => {
            let interval = std::time::Duration::from_secs(value["interval"].as_str()?.strip_suffix('s')?.parse().ok()?);
            backend.health_check = Some(speedmimi_model::HealthCheck { interval, ..Default::default() });
        }
        (Thing::Upstream(upstream), "load_balancer") => upstream.load_balancer = Some(value.as_str()?.parse().ok()?),
        (Thing::Upstream(upstream), "timeouts.connect") => upstream.timeouts.connect = Some(seconds()?),
        (Thing::Upstream(upstream), "timeouts.total") => {
            upstream.timeouts.total = Some(if value == "off" { None } else { Some(seconds()?) });
        }
        (Thing::Upstream(upstream), "pool.max_idle") => upstream.pool.max_idle = value.as_u64()? as u32,
        (Thing::Route(route), "path") => route.path = speedmimi_model::PathMatch::Prefix(value.as_str()?.into()),
        (Thing::Route(route), "path_exact") => route.path = speedmimi_model::PathMatch::Exact(value.as_str()?.into()),
        (Thing::Route(route), "upstream") => route.upstream = value.as_str()?.into(),
        (Thing::Route(route), "hosts") => {
            let host = |host: &serde_json::Value| Some(speedmimi_model::HostPattern::Exact(host.as_str()?.into()));
            route.hosts = value.as_array()?.iter().map(host).collect::<Option<_>>()?;
        }
        (Thing::Route(route), "headers.request.set") => {
            let fields =
                value.as_object()?.iter().map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
            route.headers.request.set = fields.collect::<Option<_>>()?;
        }
        (Thing::Server(server), "read_timeout") => server.read_timeout = seconds()?,
        (Thing::Server(server), "limits.body") => server.limits.body = value.as_u64()?,
        (Thing::Server(server), "max_conn") => server.max_conn = value.as_u64().filter(|number| *number > 0)? as u32,
        _ => return None,
    }
    Some(())
}

/// Takes a field from another value of its object.
fn reset(thing: &mut Thing, field: &str, base: &Thing) -> Option<()> {
    match (thing, base) {
        (Thing::Backend(backend), Thing::Backend(base)) => match field {
            "name" => backend.name.clone_from(&base.name),
            "host" => backend.host.clone_from(&base.host),
            "port" => backend.port = base.port,
            "weight" => backend.weight = base.weight,
            "max_conn" => backend.max_conn = base.max_conn,
            "active" => backend.active = base.active,
            "labels" => backend.labels.clone_from(&base.labels),
            "health_check" => backend.health_check.clone_from(&base.health_check),
            _ => return None,
        },
        (Thing::Upstream(upstream), Thing::Upstream(base)) => match field {
            "load_balancer" => upstream.load_balancer = base.load_balancer,
            "timeouts.connect" => upstream.timeouts.connect = base.timeouts.connect,
            "timeouts.total" => upstream.timeouts.total = base.timeouts.total,
            "pool.max_idle" => upstream.pool.max_idle = base.pool.max_idle,
            _ => return None,
        },
        (Thing::Route(route), Thing::Route(base)) => match field {
            "upstream" => route.upstream.clone_from(&base.upstream),
            "hosts" => route.hosts.clone_from(&base.hosts),
            "path" => route.path.clone_from(&base.path),
            "headers.request.set" => route.headers.request.set.clone_from(&base.headers.request.set),
            _ => return None,
        },
        (Thing::Server(server), Thing::Server(base)) => match field {
            "read_timeout" => server.read_timeout = base.read_timeout,
            "limits.body" => server.limits.body = base.limits.body,
            "max_conn" => server.max_conn = base.max_conn,
            _ => return None,
        },
        _ => return None,
    }
    Some(())
}

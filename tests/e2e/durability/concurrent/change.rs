//! A change of any kind, with what its maker saw and what is so if it wins.

use std::collections::BTreeMap;
use std::sync::Arc;

use speedmimi_model::{Object, PathMatch, parse};
use speedmimi_proto::v1::*;
use tonic::{Code, Status};

use crate::harness::{Dice, Management};

/// Backends of the file; two more come and go.
pub const IN_FILE: [&str; 2] = ["b0", "b1"];
const BACKENDS: [&str; 4] = ["b0", "b1", "b2", "b3"];
const UPSTREAMS: [&str; 3] = ["default", "u0", "u1"];
const ROUTES: [&str; 2] = ["r0", "r1"];

/// What is compared of an object; numbers that are new with each change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Backend { max_conn: i32, active: bool },
    Upstream { max_idle: u32 },
    Route { path: String },
}

/// One change. A part is an object, what was seen of it, and what is to be so.
#[derive(Debug)]
pub struct Change {
    /// The revision that it depends on: of the object, or of everything.
    pub expected: u64,
    /// Whether it is a whole document.
    pub whole: bool,
    pub parts: Vec<(Object, Option<Value>, Option<Value>)>,
    document: String,
}

/// Everything that changes are made to.
pub fn objects() -> Vec<Object> {
    let backends = BACKENDS.map(|id| Object::backend("default", id));
    let upstreams = UPSTREAMS.map(|name| Object::Upstream(name.into()));
    let routes = ROUTES.map(|name| Object::Route(name.into()));
    backends.into_iter().chain(upstreams).chain(routes).collect()
}

/// What there is before anybody changes anything.
pub fn of_the_start() -> BTreeMap<Object, (u64, Value)> {
    let backends =
        IN_FILE.map(|id| (Object::backend("default", id), (1, Value::Backend { max_conn: 0, active: true })));
    let upstream = (Object::Upstream("default".into()), (1, Value::Upstream { max_idle: 50 }));
    backends.into_iter().chain([upstream]).collect()
}

/// An object as it is, with its revision.
pub fn look(management: &Management, object: &Object) -> Option<(u64, Value)> {
    let found = match object {
        Object::Backend { upstream, id } => {
            let request = GetBackendRequest {
                upstream: upstream.clone(),
                backend_id: id.clone(),
                ..GetBackendRequest::default()
            };
            management.call(management.backends().get_backend(request)).map(|answer| {
                let entry = answer.backend.expect("an entry");
                let backend = entry.backend.expect("what is configured");
                let value = Value::Backend { max_conn: backend.max_conn.unwrap_or_default(), active: backend.active() };
                (entry.status.expect("what is observed").revision, value)
            })
        }
        Object::Upstream(name) => {
            let request = GetUpstreamRequest { upstream: name.clone(), ..GetUpstreamRequest::default() };
            management.call(management.upstreams().get_upstream(request)).map(|answer| {
                let entry = answer.upstream.expect("an entry");
                let max_idle = entry.upstream.and_then(|upstream| upstream.pool).and_then(|pool| pool.max_idle);
                let value = Value::Upstream { max_idle: max_idle.expect("every key has a value") };
                (entry.status.expect("what is observed").revision, value)
            })
        }
        Object::Route(name) => {
            let request = GetRouteRequest { route: name.clone(), ..GetRouteRequest::default() };
            management.call(management.routes().get_route(request)).map(|answer| {
                let entry = answer.route.expect("an entry");
                (entry.revision, Value::Route { path: entry.route.and_then(|route| route.path).expect("a path") })
            })
        }
        Object::Section(name) => panic!("{name} is not changed here"),
    };
    found.map_err(|refused| assert_eq!(refused.code(), Code::NotFound, "{object}: {refused}")).ok()
}

fn one_of<T: Clone>(dice: &Dice, all: &[T]) -> T {
    all[dice.between(0, all.len() as u64) as usize].clone()
}

fn number(dice: &Dice) -> u32 {
    dice.between(1, 1_000_000) as u32
}

impl Change {
    /// One of any kind, to what there is now.
    pub fn any(management: &Management, dice: &Dice) -> Self {
        if dice.between(0, 12) == 0 {
            return Self::document(management, dice);
        }
        let object = one_of(dice, &objects());
        let seen = look(management, &object);
        let number = number(dice);
        let removes = dice.between(0, 4) == 0 && object != Object::Upstream("default".into());
        let next = match (&object, seen.as_ref().map(|(_, value)| value)) {
            (_, Some(_)) if removes => None,
            (_, Some(Value::Backend { max_conn, active })) if number.is_multiple_of(3) => {
                Some(Value::Backend { max_conn: *max_conn, active: !active })
            }
            (_, Some(Value::Backend { active, .. })) => {
                Some(Value::Backend { max_conn: number as i32, active: *active })
            }
            (Object::Backend { .. }, _) => Some(Value::Backend { max_conn: number as i32, active: true }),
            (Object::Upstream(_), _) => Some(Value::Upstream { max_idle: number % 10_000 + 100 }),
            (Object::Route(name), _) => Some(Value::Route { path: format!("/{name}/{number}") }),
            (Object::Section(name), _) => panic!("{name} is not changed here"),
        };
        let expected = seen.as_ref().map_or(0, |(revision, _)| *revision);
        let parts = vec![(object, seen.map(|(_, value)| value), next)];
        Self { expected, whole: false, parts, document: String::new() }
    }

    /// A document with a backend, an upstream and, where there is one, a route that are not what they are now.
    pub fn document(management: &Management, dice: &Dice) -> Self {
        let shown = management.shown();
        let mut config = parse("document", &shown.document).expect("what is shown is valid");
        let mut parts = Vec::new();
        let upstream = config.upstreams.get_mut("default").expect("nobody removes it");
        let was = Some(Value::Upstream { max_idle: upstream.pool.max_idle });
        upstream.pool.max_idle = number(dice) % 10_000 + 100;
        let is = Some(Value::Upstream { max_idle: upstream.pool.max_idle });
        parts.push((Object::Upstream("default".into()), was, is));
        if let Some(backend) = upstream.backends.first_mut() {
            let (next, active) = (number(dice) as i32, backend.active);
            let was = Some(Value::Backend { max_conn: backend.max_conn, active });
            let is = Some(Value::Backend { max_conn: next, active });
            parts.push((Object::backend("default", &backend.id), was, is));
            Arc::make_mut(backend).max_conn = next;
        }
        for name in ROUTES {
            if let Some(route) = config.routes.get_mut(name) {
                let next = format!("/{name}/{}", number(dice));
                let PathMatch::Prefix(was) = &route.path else { panic!("only prefixes are set here") };
                let was = Some(Value::Route { path: was.clone() });
                parts.push((Object::Route(name.into()), was, Some(Value::Route { path: next.clone() })));
                route.path = PathMatch::Prefix(next);
            }
        }
        Self { expected: shown.revision, whole: true, parts, document: config.to_yaml() }
    }

    /// What it does, for people.
    pub fn verb(&self) -> &'static str {
        if self.whole {
            return "apply";
        }
        let (object, seen, next) = &self.parts[0];
        match (object, seen, next) {
            (Object::Backend { .. }, None, _) => "add backend",
            (Object::Backend { .. }, _, None) => "remove backend",
            (_, Some(Value::Backend { active: true, .. }), Some(Value::Backend { active: false, .. })) => {
                "disable backend"
            }
            (_, Some(Value::Backend { active: false, .. }), Some(Value::Backend { active: true, .. })) => {
                "enable backend"
            }
            (Object::Backend { .. }, ..) => "update backend",
            (Object::Upstream(_), None, _) => "add upstream",
            (Object::Upstream(_), _, None) => "remove upstream",
            (Object::Upstream(_), ..) => "update upstream",
            (Object::Route(_), None, _) => "add route",
            (Object::Route(_), _, None) => "remove route",
            (Object::Route(_), ..) => "update route",
            (Object::Section(_), ..) => "none",
        }
    }

    /// Sends it, and gives the revision that it made.
    pub fn send(&self, m: &Management) -> Result<u64, Status> {
        let options = Some(MutationOptions { expected_revision: Some(self.expected), ..MutationOptions::default() });
        macro_rules! call {
            ($service:ident.$method:ident($request:ident { $($fields:tt)* })) => {{
                let request = $request { options, $($fields)* };
                m.call(m.$service().$method(request)).map(|answer| answer.revision)
            }};
        }
        if self.whole {
            let request = ApplyConfigRequest { options, document: self.document.clone() };
            return m.call(m.config().apply_config(request)).map(|answer| answer.revision);
        }
        let (object, _, next) = &self.parts[0];
        let name = match object {
            Object::Backend { id, .. } => id.clone(),
            Object::Upstream(name) | Object::Route(name) | Object::Section(name) => name.clone(),
        };
        match (self.verb(), next) {
            ("add backend", Some(Value::Backend { max_conn, .. })) => {
                let backend = Backend {
                    id: name,
                    host: Some("127.0.0.1".into()),
                    port: Some(9),
                    max_conn: Some(*max_conn),
                    ..Backend::default()
                };
                call!(backends.add_backend(AddBackendRequest { backend: Some(backend), ..Default::default() }))
            }
            ("update backend", Some(Value::Backend { max_conn, .. })) => {
                let backend = Backend { id: name, max_conn: Some(*max_conn), ..Backend::default() };
                call!(backends.update_backend(UpdateBackendRequest { backend: Some(backend), ..Default::default() }))
            }
            ("enable backend", _) => {
                call!(backends.enable_backend(EnableBackendRequest { backend_id: name, ..Default::default() }))
            }
            ("disable backend", _) => {
                call!(backends.disable_backend(DisableBackendRequest { backend_id: name, ..Default::default() }))
            }
            ("remove backend", _) => {
                call!(backends.remove_backend(RemoveBackendRequest { backend_id: name, ..Default::default() }))
            }
            ("remove upstream", _) => {
                call!(upstreams.remove_upstream(RemoveUpstreamRequest { upstream: name, ..Default::default() }))
            }
            ("remove route", _) => call!(routes.remove_route(RemoveRouteRequest { route: name })),
            (verb, Some(Value::Upstream { max_idle })) => {
                let pool = Some(Pool { max_idle: Some(*max_idle), ..Pool::default() });
                let upstream = Some(Upstream { name, pool, ..Upstream::default() });
                match verb {
                    "add upstream" => call!(upstreams.add_upstream(AddUpstreamRequest { upstream })),
                    _ => call!(upstreams.update_upstream(UpdateUpstreamRequest { upstream, ..Default::default() })),
                }
            }
            (verb, Some(Value::Route { path })) => {
                let path = Some(path.clone());
                match verb {
                    "add route" => {
                        let route = Route { name, path, upstream: Some("default".into()), ..Route::default() };
                        call!(routes.add_route(AddRouteRequest { route: Some(route) }))
                    }
                    _ => {
                        let route = Some(Route { name, path, ..Route::default() });
                        call!(routes.update_route(UpdateRouteRequest { route, ..Default::default() }))
                    }
                }
            }
            (verb, next) => panic!("{verb} to {next:?}"),
        }
    }
}

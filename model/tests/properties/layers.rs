//! Changes over a file, against a simple model: a map from names to backends and to what the API set.

use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::select;
use speedmimi_model::{
    Backend, BackendPatch, Change, ChangeError, Config, HealthCheck, Kind, Layers, Patch, ReloadError, Touched,
    Upstream,
};

use crate::generate;

const UPSTREAMS: [&str; 2] = ["blue", "green"];
const IDS: [&str; 3] = ["one", "two", "three"];

fn named() -> impl Strategy<Value = (String, String)> {
    (prop_oneof![9 => select(UPSTREAMS.to_vec()), 1 => Just("nowhere")], select(IDS.to_vec()))
        .prop_map(|(upstream, id)| (upstream.to_owned(), id.to_owned()))
}

fn change() -> impl Strategy<Value = Change> {
    let patch = || generate::backend_patch().prop_map(Box::new);
    let whole = (generate::host(), 1u32..=65_535, generate::backend_patch()).prop_map(|(host, port, patch)| {
        Box::new(BackendPatch { host: Patch::Set(host), port: Patch::Set(port), ..patch })
    });
    let added = prop_oneof![4 => whole, 1 => patch()];
    prop_oneof![
        (named(), added).prop_map(|((upstream, id), patch)| Change::AddBackend { upstream, id: Some(id), patch }),
        (named(), patch()).prop_map(|((upstream, id), patch)| Change::UpdateBackend { upstream, id, patch }),
        named().prop_map(|(upstream, id)| Change::RemoveBackend { upstream, id }),
        (named(), any::<bool>()).prop_map(|((upstream, id), active)| Change::SetActive { upstream, id, active }),
    ]
}

fn file() -> impl Strategy<Value = Config> {
    btree_map((select(UPSTREAMS.to_vec()), select(IDS.to_vec())), generate::backend(), 0..5).prop_map(|backends| {
        let mut config = Config::default();
        for name in UPSTREAMS {
            let of_this = backends.iter().filter(|((upstream, _), _)| *upstream == name);
            let backends = of_this.map(|((_, id), backend)| Backend { id: (*id).into(), ..backend.clone() }).collect();
            config.upstreams.insert(name.into(), Upstream { backends, ..Upstream::default() });
        }
        config
    })
}

fn target(change: &Change) -> (String, String) {
    let (upstream, id) = match change {
        Change::AddBackend { upstream, id, .. } => (upstream, id.as_ref().expect("changes here name an id")),
        Change::UpdateBackend { upstream, id, .. }
        | Change::RemoveBackend { upstream, id }
        | Change::SetActive { upstream, id, .. } => (upstream, id),
    };
    (upstream.clone(), id.clone())
}

/// Backends by upstream and id.
#[derive(Debug, Clone, Default)]
struct Model {
    /// What the file says.
    file: BTreeMap<(String, String), Backend>,
    /// What is in force.
    now: BTreeMap<(String, String), Backend>,
}

impl Model {
    fn new(config: &Config) -> Self {
        let file: BTreeMap<_, _> = flat(config);
        Self { now: file.clone(), file }
    }

    /// What a change makes of it; nothing where it is refused.
    fn apply(&self, change: &Change) -> Option<Self> {
        let mut next = self.clone();
        match change {
            Change::AddBackend { upstream, id, patch } => {
                let key = (upstream.clone(), id.clone()?);
                let (Patch::Set(host), Patch::Set(port)) = (&patch.host, &patch.port) else { return None };
                let blank = Backend { id: key.1.clone(), ..Backend::new(host, u16::try_from(*port).ok()?) };
                let possible = UPSTREAMS.contains(&upstream.as_str()) && !self.now.contains_key(&key);
                next.now.insert(key, patched(&blank, patch, &blank)?);
                possible.then_some(next)
            }
            Change::UpdateBackend { upstream, id, patch } => {
                let key = (upstream.clone(), id.clone());
                let target = self.now.get(&key)?;
                let file = self.file.get(&key);
                if file.is_none() && (patch.host == Patch::Reset || patch.port == Patch::Reset) {
                    return None;
                }
                let default = Backend::new(&target.host, target.port);
                next.now.insert(key, patched(target, patch, file.unwrap_or(&default))?);
                Some(next)
            }
            Change::RemoveBackend { upstream, id } => {
                next.now.remove(&(upstream.clone(), id.clone()))?;
                Some(next)
            }
            Change::SetActive { upstream, id, active } => {
                next.now.get_mut(&(upstream.clone(), id.clone()))?.active = *active;
                Some(next)
            }
        }
    }
}

fn flat(config: &Config) -> BTreeMap<(String, String), Backend> {
    let all = config.upstreams.iter().flat_map(|(name, upstream)| upstream.backends.iter().map(move |b| (name, b)));
    all.map(|(name, backend)| ((name.clone(), backend.id.clone()), backend.clone())).collect()
}

fn patched(target: &Backend, patch: &BackendPatch, base: &Backend) -> Option<Backend> {
    fn field<T: Clone>(patch: &Patch<T>, target: &T, base: &T) -> T {
        match patch {
            Patch::Keep => target.clone(),
            Patch::Set(value) => value.clone(),
            Patch::Reset => base.clone(),
        }
    }
    let name = match &patch.name {
        Patch::Keep => target.name.clone(),
        Patch::Set(name) => Some(name.clone()),
        Patch::Reset => base.name.clone(),
    };
    let weight = field(&patch.weight, &target.weight, &base.weight);
    let host = field(&patch.host, &target.host, &base.host);
    let port = field(&patch.port, &u32::from(target.port), &u32::from(base.port));
    let port = u16::try_from(port).ok().filter(|port| *port > 0)?;
    let valid = (1..=1000).contains(&weight) && !host.contains(' ');
    valid.then(|| Backend {
        id: target.id.clone(),
        name,
        host,
        port,
        weight,
        scheme: field(&patch.scheme, &target.scheme, &base.scheme),
        active: field(&patch.active, &target.active, &base.active),
        max_conn: field(&patch.max_conn, &target.max_conn, &base.max_conn),
        labels: field(&patch.labels, &target.labels, &base.labels),
        health_check: field(&patch.health_check, &target.health_check, &base.health_check),
    })
}

proptest! {
    #[test]
    fn changes_do_what_a_simple_model_does(file in file(), changes in vec(change(), 0..25)) {
        let mut model = Model::new(&file);
        let mut layers = Layers::new(file.clone());
        for change in changes {
            let before = (layers.overlay().clone(), layers.effective().clone());
            match (layers.apply(&change), model.apply(&change)) {
                (Ok((next, touched)), Some(after)) => {
                    let differs = model.now != after.now;
                    let (upstream, id) = target(&change);
                    let moved: Vec<_> = differs.then_some(Touched::Backend { upstream, id }).into_iter().collect();
                    prop_assert_eq!(touched, moved, "{:?}", change);
                    // The old value is still what it was.
                    prop_assert_eq!((layers.overlay(), layers.effective()), (&before.0, &before.1));
                    layers = next;
                    model = after;
                }
                (Err(refused), None) => {
                    prop_assert!(!refused.to_string().is_empty());
                    prop_assert_eq!((layers.overlay(), layers.effective()), (&before.0, &before.1));
                }
                (layers, model) => prop_assert!(false, "{change:?}: {layers:?} but {model:?}"),
            }
            prop_assert_eq!(flat(layers.effective()), model.now.clone());
            prop_assert_eq!(layers.file(), &file);
        }
        // The same file again changes nothing and contradicts nothing.
        let (again, summary) = layers.reload(file.clone()).expect("nothing needs a restart");
        prop_assert_eq!(summary, Default::default());
        prop_assert_eq!(again.overlay(), layers.overlay());
        prop_assert_eq!(again.effective(), layers.effective());
        if layers.overlay().is_empty() {
            prop_assert_eq!(&**layers.effective(), &file);
        }
    }

    #[test]
    fn a_reload_keeps_what_the_api_set(old in file(), new in file(), changes in vec(change(), 0..12)) {
        let mut layers = Layers::new(old.clone());
        let mut touched = std::collections::BTreeSet::new();
        for change in &changes {
            if let Ok((next, _)) = layers.apply(change) {
                layers = next;
                touched.insert(target(change));
            }
        }
        let (after, summary) = layers.reload(new.clone()).expect("nothing needs a restart");
        let (file, now, then) = (flat(&new), flat(after.effective()), flat(layers.effective()));
        for key in file.keys().chain(now.keys()) {
            if !touched.contains(key) {
                prop_assert_eq!(file.get(key), now.get(key), "{:?} was never changed through the API", key);
            }
        }
        let differs = !speedmimi_model::diff(layers.effective(), after.effective()).is_empty();
        let told = !(summary.added.is_empty() && summary.removed.is_empty() && summary.changed.is_empty());
        prop_assert_eq!(differs, told);
        if old == new {
            prop_assert_eq!(now, then);
        }
        // Nothing of the overlay is left hanging: the next reload has nothing to forget.
        let (_, again) = after.reload(new).expect("nothing needs a restart");
        prop_assert_eq!(again, Default::default());
    }
}

fn one(id: &str, weight: u32, max_conn: i32) -> Config {
    let backend = Backend { id: id.into(), weight, max_conn, ..Backend::new("10.0.0.1", 80) };
    let upstream = Upstream { backends: vec![backend], ..Upstream::default() };
    Config { upstreams: BTreeMap::from([("u".into(), upstream)]), ..Config::default() }
}

fn update(patch: BackendPatch) -> Change {
    Change::UpdateBackend { upstream: "u".into(), id: "b".into(), patch: Box::new(patch) }
}

fn after(layers: &Layers, change: &Change) -> Layers {
    layers.apply(change).unwrap_or_else(|refused| panic!("{refused}")).0
}

#[test]
fn only_what_the_api_holds_at_another_value_is_a_conflict() {
    let layers = Layers::new(one("b", 100, 10));
    let layers = after(&layers, &update(BackendPatch { max_conn: Patch::Set(20), ..BackendPatch::default() }));
    let conflicts = |file| layers.reload(file).expect("no restart").1.conflicts;
    assert_eq!(conflicts(one("b", 200, 10)), Vec::<String>::new(), "the weight is the file's");
    assert_eq!(conflicts(one("b", 100, 20)), Vec::<String>::new(), "both say 20");
    assert_eq!(
        conflicts(one("b", 200, 30)),
        ["backend u/b: the file changed max_conn; what was set through the API holds"]
    );
    let gone = "backend u/b: the file no longer has it; what was changed through the API is forgotten";
    assert_eq!(conflicts(one("c", 100, 10)), [gone]);
    let (reloaded, _) = layers.reload(one("b", 200, 30)).expect("no restart");
    let backend = reloaded.effective().backend("u", "b").expect("it is there");
    assert_eq!((backend.weight, backend.max_conn), (200, 20));
    let reset = update(BackendPatch { max_conn: Patch::Reset, ..BackendPatch::default() });
    let reset = after(&reloaded, &reset);
    assert_eq!(reset.effective().backend("u", "b").map(|backend| backend.max_conn), Some(30));
    assert!(reset.overlay().is_empty());
}

#[test]
fn a_backend_that_went_and_came_again_is_the_one_added() {
    let named = |upstream: &str, id: &str| (upstream.to_owned(), id.to_owned());
    let (upstream, id) = named("u", "b");
    let layers = Layers::new(one("b", 100, 10));
    let gone = after(&layers, &Change::RemoveBackend { upstream: upstream.clone(), id: id.clone() });
    assert_eq!(gone.effective().backend("u", "b"), None);
    let patch = BackendPatch { host: Patch::Set("[::1]".into()), port: Patch::Set(81), ..BackendPatch::default() };
    let add = Change::AddBackend { upstream: upstream.clone(), id: Some(id.clone()), patch: Box::new(patch) };
    let back = after(&gone, &add);
    let expected = Backend { id: id.clone(), ..Backend::new("::1", 81) };
    assert_eq!(back.effective().backend("u", "b"), Some(&expected));
    assert!(matches!(back.apply(&add), Err(ChangeError::AlreadyExists { kind: Kind::Backend, id }) if id == "u/b"));
    let reset = update(BackendPatch { weight: Patch::Reset, host: Patch::Reset, ..BackendPatch::default() });
    let reset = after(&back, &reset);
    assert_eq!(reset.effective().backend("u", "b").map(|b| b.host.as_str()), Some("10.0.0.1"), "as in the file");
    let told = |layers: &Layers, file| layers.reload(file).expect("no restart").1.conflicts.len();
    assert_eq!(told(&back, one("b", 100, 10)), 0);
    assert_eq!(told(&back, one("b", 7, 10)), 1);
    assert_eq!(told(&back, one("c", 7, 10)), 1);
    assert_eq!(told(&gone, one("c", 7, 10)), 0, "gone is what both want");
    let gone = after(&back, &Change::RemoveBackend { upstream, id });
    assert_eq!(gone.effective().backend("u", "b"), None);
}

#[test]
fn every_field_that_cannot_be_is_named() {
    let micros = std::time::Duration::from_micros;
    let check = HealthCheck {
        path: "health".into(),
        interval: micros(500),
        timeout: micros(u64::MAX),
        failures: 0,
        ..HealthCheck::default()
    };
    let patch = BackendPatch {
        host: Patch::Set("a b".into()),
        port: Patch::Set(0),
        weight: Patch::Set(1001),
        health_check: Patch::Set(Some(check)),
        ..BackendPatch::default()
    };
    let layers = Layers::new(one("b", 100, 10));
    let Err(ChangeError::Invalid(violations)) = layers.apply(&update(patch.clone())) else { panic!("it is refused") };
    let fields: Vec<_> = violations.iter().map(|violation| violation.field.as_str()).collect();
    let health = ["path", "failures", "interval", "timeout"].map(|field| format!("backend.health_check.{field}"));
    assert_eq!(fields[..3], ["backend.host", "backend.port", "backend.weight"]);
    assert_eq!(fields[3..], health);
    assert_eq!(violations[5].description, "500µs is not within 1ms..366d");
    let add = Change::AddBackend { upstream: "u".into(), id: Some("a/b".into()), patch: Box::default() };
    let Err(ChangeError::Invalid(violations)) = layers.apply(&add) else { panic!("it is refused") };
    let fields: Vec<_> = violations.iter().map(|violation| violation.field.as_str()).collect();
    assert_eq!(fields, ["backend.host", "backend.port", "backend.id"]);
}

#[test]
fn what_needs_a_restart_is_named_key_by_key() {
    let old = one("b", 100, 10);
    let mut new = one("b", 200, 10);
    new.server.port = 81;
    new.server.workers = std::num::NonZeroUsize::new(3);
    new.server.max_conn = 5;
    new.grpc.port = 1;
    new.log.level = speedmimi_model::Level::Debug;
    let text = "{backends: {u: []}, access_log: on}";
    new.access_log = speedmimi_model::parse("test", text).expect("a valid file").access_log;
    let layers = Layers::new(old.clone());
    let Err(ReloadError::RestartNeeded { fields }) = layers.reload(new.clone()) else { panic!("it is refused") };
    assert_eq!(fields, ["grpc.port", "log.level", "server.port", "server.workers", "access_log"]);
    let marked = |path: &str| {
        path.split('.').fold(speedmimi_model::schema(), |s, key| s["properties"][key].clone())["x-restart"] == true
    };
    for section in ["server.host", "server.port", "server.workers", "grpc", "admin", "log", "access_log"] {
        assert!(marked(section), "{section}");
    }
    assert!(!marked("server.max_conn"));
    assert!(old.restart_differences(&one("c", 1, 1)).is_empty());
}

//! Changes to one object.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::{Layers, build};
use crate::across;
use crate::change::{Change, ChangeError, Edit, Selector, Violation};
use crate::config::Config;
use crate::fields;
use crate::object::{Kind, Object};
use crate::overlay::{By, Entry, Origin, Overlay};
use crate::parse;
use crate::write::blank;

impl Layers {
    /// The layers after a change, and the objects that are not what they were; none when everything was so already.
    /// What the change enters into the overlay bears its origin; what was there before keeps its own. Entries that
    /// waited and fit now count again, and are among the objects.
    pub fn apply(&self, change: &Change, origin: &Origin) -> Result<(Self, Vec<Object>), ChangeError> {
        let (next, touched) = match change {
            Change::Add { object, fields } => self.add(object, fields, origin),
            Change::Update { object, fields } => self.update(object, fields, origin),
            Change::Remove { object, cascade } => self.remove(object, *cascade, origin),
            Change::Apply(document) => self.become_document(document, origin),
            Change::Clear(Selector::Field(object, field)) => {
                self.update(object, &BTreeMap::from([(field.clone(), Edit::Reset)]), origin)
            }
            Change::Clear(Selector::Object(object)) => self.clear(object),
            Change::Clear(Selector::All) => self.clear_all(),
            Change::Restore(overlay) => self.restore(overlay, origin),
        }?;
        Ok(next.with_waiting(self, touched))
    }

    fn add(
        &self,
        object: &Object,
        fields: &BTreeMap<String, Value>,
        origin: &Origin,
    ) -> Result<(Self, Vec<Object>), ChangeError> {
        if let Object::Backend { upstream, .. } = object {
            self.existing(&Object::Upstream(upstream.clone()))?;
        }
        let mut draft = Draft::of(self);
        let named = self.begin(object, fields, &mut draft.config).map_err(ChangeError::Invalid)?;
        if self.effective.contains(&named) {
            return Err(ChangeError::AlreadyExists { kind: named.kind(), id: named.name() });
        }
        draft.overlay.settle(&named, &self.file, &draft.config, &By { origin, adds: true });
        if let Object::Upstream(name) = &named {
            // Those of the file do not come back with its name.
            let by = By { origin, adds: false };
            for backend in self.file.upstreams.get(name).iter().flat_map(|group| &group.backends) {
                draft.overlay.settle(&Object::backend(name, &backend.id), &self.file, &draft.config, &by);
            }
        }
        draft.finish([named])
    }

    fn update(
        &self,
        object: &Object,
        fields: &BTreeMap<String, Edit>,
        origin: &Origin,
    ) -> Result<(Self, Vec<Object>), ChangeError> {
        self.existing(object)?;
        let document = self.effective.part(object).unwrap_or_else(|| blank(object));
        let mut draft = Draft::of(self);
        self.read(object, document, fields, &mut draft.config).map_err(ChangeError::Invalid)?;
        draft.overlay.settle(object, &self.file, &draft.config, &By { origin, adds: false });
        draft.finish([object.clone()])
    }

    fn remove(&self, object: &Object, cascade: bool, origin: &Origin) -> Result<(Self, Vec<Object>), ChangeError> {
        self.existing(object)?;
        let mut touched = vec![object.clone()];
        match object {
            Object::Section(name) => {
                let description = "a section cannot be removed; clear it, and it is what the file says".into();
                return Err(ChangeError::Invalid(vec![Violation { field: name.clone(), description }]));
            }
            Object::Upstream(name) => touched.extend(self.removable(name, cascade)?),
            Object::Backend { .. } | Object::Route(_) => {}
        }
        let mut draft = Draft::of(self);
        build::remove(&mut draft.config, object);
        if let Object::Upstream(name) = object {
            draft.overlay.retain(|other| !matches!(other, Object::Backend { upstream, .. } if upstream == name));
        }
        draft.overlay.settle(object, &self.file, &draft.config, &By { origin, adds: false });
        draft.finish(touched)
    }

    /// The backends that go with an upstream, or who needs it.
    pub(super) fn removable(&self, name: &str, cascade: bool) -> Result<Vec<Object>, ChangeError> {
        let object = || Object::Upstream(name.to_owned());
        let routes = self.effective.routes.iter().filter(|(_, route)| route.upstream == name);
        let by: Vec<Object> = routes.map(|(route, _)| Object::Route(route.clone())).collect();
        if !by.is_empty() {
            return Err(ChangeError::InUse { object: object(), by, advice: "lead these routes elsewhere first" });
        }
        let limited = across::clients(&self.effective).filter(|(_, upstream)| *upstream == name);
        let by: BTreeSet<Object> = limited.map(|(section, _)| Object::Section(section.into())).collect();
        if !by.is_empty() {
            let advice = "take it out of auth.clients of the file first";
            return Err(ChangeError::InUse { object: object(), by: by.into_iter().collect(), advice });
        }
        let group = self.effective.upstreams.get(name);
        let backends = group.iter().flat_map(|group| &group.backends);
        let backends: Vec<Object> = backends.map(|backend| Object::backend(name, &backend.id)).collect();
        if !cascade && !backends.is_empty() {
            let advice = "remove them first, or ask for them to go with it";
            return Err(ChangeError::InUse { object: object(), by: backends, advice });
        }
        Ok(backends)
    }

    /// Refuses an object that is not there, and says what is there instead.
    pub fn existing(&self, object: &Object) -> Result<(), ChangeError> {
        let config = &self.effective;
        if config.contains(object) || matches!(object, Object::Section(name) if parse::is_section(name)) {
            return Ok(());
        }
        let known = match object {
            Object::Backend { upstream, .. } => {
                let Some(group) = config.upstreams.get(upstream) else {
                    return self.existing(&Object::Upstream(upstream.clone()));
                };
                group.backends.iter().map(|backend| format!("{upstream}/{}", backend.id)).collect()
            }
            Object::Upstream(_) => config.upstreams.keys().cloned().collect(),
            Object::Route(_) => config.routes.keys().cloned().collect(),
            Object::Section(_) => fields::sections().map(str::to_owned).collect(),
        };
        Err(ChangeError::NotFound { kind: object.kind(), id: object.name(), known })
    }
}

/// The next layers while they are made.
pub(super) struct Draft<'a> {
    before: &'a Layers,
    pub(super) config: Config,
    pub(super) overlay: Overlay,
}

impl<'a> Draft<'a> {
    pub(super) fn of(before: &'a Layers) -> Self {
        Self { before, config: (*before.effective).clone(), overlay: before.overlay.clone() }
    }

    /// Checks what no object can know by itself.
    fn finish(mut self, touched: impl IntoIterator<Item = Object>) -> Result<(Layers, Vec<Object>), ChangeError> {
        let touched: BTreeSet<Object> = touched.into_iter().collect();
        let before = &*self.before.effective;
        let mut groups: Vec<&str> = Vec::new();
        for object in &touched {
            let Object::Backend { upstream, .. } = object else { continue };
            let place = |config: &Config, overlay: &Overlay| {
                config.contains(object).then(|| overlay.live(object).and_then(Entry::order))
            };
            // One that is there as before, and was added where it was, stands where it stood.
            let stays = place(before, &self.before.overlay) == place(&self.config, &self.overlay);
            if !stays && !groups.contains(&upstream.as_str()) {
                groups.push(upstream);
            }
        }
        for upstream in groups {
            build::arrange(&mut self.config, &self.before.file, &self.overlay, upstream);
        }
        if touched.iter().any(|object| matches!(object.kind(), Kind::Upstream | Kind::Route)) {
            check(&self.config, touched.iter().next())?;
        }
        if touched.iter().any(|object| object.kind() == Kind::Section) {
            no_restart(before, &self.config)?;
        }
        let touched = touched.into_iter().filter(|object| !before.same(&self.config, object)).collect();
        let effective = Arc::new(self.config);
        Ok((Layers { file: self.before.file.clone(), overlay: self.overlay, effective }, touched))
    }
}

/// What excludes each other is refused, as a field of the object that is being changed.
fn check(config: &Config, changed: Option<&Object>) -> Result<(), ChangeError> {
    let clashes = across::clashes(config);
    if let Some(clash) = clashes.iter().find(|clash| clash.object.is_none()) {
        return Err(ChangeError::Unroutable(clash.told.clone()));
    }
    let violation = |clash: across::Clash| match (&clash.object, changed) {
        // Told of the one that is changed, whichever of the two came first.
        (Some(named), Some(changed)) if named != changed && clash.other.as_ref() == Some(changed) => Violation {
            field: format!("{}.{}", changed.prefix(), clash.field),
            description: across::same_target(&named.name()),
        },
        (named, _) => {
            let prefix = named.as_ref().map_or("routing", Object::prefix);
            Violation { field: format!("{prefix}.{}", clash.field), description: clash.told.clone() }
        }
    };
    let violations: Vec<Violation> = clashes.into_iter().map(violation).collect();
    if violations.is_empty() { Ok(()) } else { Err(ChangeError::Invalid(violations)) }
}

pub(super) fn no_restart(before: &Config, after: &Config) -> Result<(), ChangeError> {
    let fields = before.restart_differences(after);
    if fields.is_empty() { Ok(()) } else { Err(ChangeError::RestartNeeded { fields }) }
}

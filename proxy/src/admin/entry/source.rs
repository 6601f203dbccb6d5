//! Where values come from, and what differs, as the API shows it.

use std::time::{Duration, UNIX_EPOCH};

use speedmimi_model::{Difference, Entry, Explained, Layer, Layers, Object, Origin, Presence};
use speedmimi_proto::v1;

use crate::admin::sight::Sight;

/// Every field of an object, with its layer.
pub(in crate::admin) fn fields(layers: &Layers, object: &Object, sight: Sight) -> Vec<v1::FieldSource> {
    layers.explain(object).into_iter().map(|explained| field(object, explained, sight)).collect()
}

fn field(object: &Object, explained: Explained, sight: Sight) -> v1::FieldSource {
    let key = key(object, &explained.field);
    let layer = match explained.layer {
        Layer::Default => v1::Layer::Default,
        Layer::File => v1::Layer::File,
        Layer::Overlay => v1::Layer::Overlay,
    };
    let file_value = explained.file_value.filter(|_| explained.layer == Layer::Overlay);
    v1::FieldSource {
        field: explained.field,
        value: sight.text(&key, explained.value),
        layer: layer.into(),
        origin: explained.origin.as_ref().map(origin),
        file_value: file_value.map(|value| sight.text(&key, value)),
        conflict: explained.contradicted,
    }
}

/// Everything that lies over the file.
pub(in crate::admin) fn overlay(layers: &Layers, sight: Sight) -> Vec<v1::OverlayEntry> {
    layers.overlay().entries().map(|(object, entry)| overlay_entry(layers, object, entry, sight)).collect()
}

fn overlay_entry(layers: &Layers, object: &Object, entry: &Entry, sight: Sight) -> v1::OverlayEntry {
    let kind = match entry.presence {
        Presence::Added { .. } => v1::OverlayKind::Added,
        Presence::Patched => v1::OverlayKind::Changed,
        Presence::Removed(_) => v1::OverlayKind::Removed,
    };
    // One that is not in force explains nothing: its values are told as they are held.
    let explained = if entry.parked.is_none() { layers.explain(object) } else { Vec::new() };
    let held = |(name, held): (&String, &speedmimi_model::Held)| {
        let known = explained.iter().find(|explained| explained.field == *name && explained.layer == Layer::Overlay);
        known.cloned().map(|explained| field(object, explained, sight)).unwrap_or_else(|| v1::FieldSource {
            field: name.clone(),
            value: sight.text(&key(object, name), held.value.clone()),
            layer: v1::Layer::Overlay.into(),
            origin: Some(origin(&held.origin)),
            file_value: None,
            conflict: held.contradicted,
        })
    };
    v1::OverlayEntry {
        object: path(object),
        kind: kind.into(),
        origin: entry.origin().map(origin),
        fields: entry.fields.iter().map(held).collect(),
        problem: entry.parked.clone().unwrap_or_default(),
        conflict: entry.contradicted || entry.fields.values().any(|held| held.contradicted),
    }
}

/// An object as the keys of a document name it: `backends.default.b1`.
pub(in crate::admin) fn path(object: &Object) -> String {
    match object {
        Object::Backend { upstream, id } => format!("backends.{upstream}.{id}"),
        Object::Upstream(name) => format!("upstreams.{name}"),
        Object::Route(name) => format!("routing.{name}"),
        Object::Section(name) => name.clone(),
    }
}

fn key(object: &Object, field: &str) -> String {
    format!("{}.{field}", path(object))
}

/// What differs.
pub(in crate::admin) fn differences(differences: &[Difference], sight: Sight) -> Vec<v1::Difference> {
    let difference = |difference: &Difference| {
        let text = |value: &Option<serde_json::Value>| value.clone().map(|value| sight.text(&difference.path, value));
        v1::Difference { before: text(&difference.old), after: text(&difference.new), path: difference.path.clone() }
    };
    differences.iter().map(difference).collect()
}

fn origin(origin: &Origin) -> v1::Origin {
    v1::Origin {
        who: origin.who.clone(),
        at: Some((UNIX_EPOCH + Duration::from_micros(origin.at)).into()),
        revision: origin.revision,
    }
}

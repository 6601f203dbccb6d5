//! Where values come from, and what differs, as the API shows it.

use std::time::{Duration, UNIX_EPOCH};

use speedmimi_model::{Difference, Entry, Explained, Layer, Layers, Object, Origin, Presence};
use speedmimi_proto::v1;

/// Every field of an object, with its layer.
pub(in crate::admin) fn fields(layers: &Layers, object: &Object) -> Vec<v1::FieldSource> {
    layers.explain(object).into_iter().map(field).collect()
}

fn field(explained: Explained) -> v1::FieldSource {
    let layer = match explained.layer {
        Layer::Default => v1::Layer::Default,
        Layer::File => v1::Layer::File,
        Layer::Overlay => v1::Layer::Overlay,
    };
    let file_value = explained.file_value.filter(|_| explained.layer == Layer::Overlay);
    v1::FieldSource {
        field: explained.field,
        value: explained.value.to_string(),
        layer: layer.into(),
        origin: explained.origin.as_ref().map(origin),
        file_value: file_value.map(|value| value.to_string()),
        conflict: explained.contradicted,
    }
}

/// Everything that lies over the file.
pub(in crate::admin) fn overlay(layers: &Layers) -> Vec<v1::OverlayEntry> {
    layers.overlay().entries().map(|(object, entry)| overlay_entry(layers, object, entry)).collect()
}

fn overlay_entry(layers: &Layers, object: &Object, entry: &Entry) -> v1::OverlayEntry {
    let kind = match entry.presence {
        Presence::Added { .. } => v1::OverlayKind::Added,
        Presence::Patched => v1::OverlayKind::Changed,
        Presence::Removed(_) => v1::OverlayKind::Removed,
    };
    // One that is not in force explains nothing: its values are told as they are held.
    let explained = if entry.parked.is_none() { layers.explain(object) } else { Vec::new() };
    let held = |(name, held): (&String, &speedmimi_model::Held)| {
        let known = explained.iter().find(|explained| explained.field == *name && explained.layer == Layer::Overlay);
        known.cloned().map(field).unwrap_or_else(|| v1::FieldSource {
            field: name.clone(),
            value: held.value.to_string(),
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

/// What differs.
pub(in crate::admin) fn differences(differences: Vec<Difference>) -> Vec<v1::Difference> {
    let difference = |difference: Difference| v1::Difference {
        path: difference.path,
        before: difference.old.map(|value| value.to_string()),
        after: difference.new.map(|value| value.to_string()),
    };
    differences.into_iter().map(difference).collect()
}

fn origin(origin: &Origin) -> v1::Origin {
    v1::Origin {
        who: origin.who.clone(),
        at: Some((UNIX_EPOCH + Duration::from_micros(origin.at)).into()),
        revision: origin.revision,
    }
}

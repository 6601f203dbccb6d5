//! Where every value of the configuration in force comes from.

use speedmimi_model::{Kind, Layers};
use speedmimi_proto::v1;

use super::source;
use crate::admin::sight::Sight;

/// Every object with its fields: sections first, as a file begins with them, then upstreams, their backends and routes.
pub(super) fn sources(layers: &Layers, sight: Sight) -> Vec<v1::ObjectSource> {
    let mut objects: Vec<_> = layers.effective().objects().collect();
    objects.sort_by_key(|object| match object.kind() {
        Kind::Section => 0,
        Kind::Upstream => 1,
        Kind::Backend => 2,
        Kind::Route => 3,
    });
    let source =
        |object| v1::ObjectSource { object: source::path(&object), fields: source::fields(layers, &object, sight) };
    objects.into_iter().map(source).filter(|source| !source.fields.is_empty()).collect()
}

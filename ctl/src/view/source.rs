//! Where values come from.

use speedmimi_proto::v1::{FieldSource, Layer, ObjectSource, Origin, OverlayEntry, OverlayKind};

use super::text::{choice, moment, plain};
use super::{Block, View};

/// Every field of an object with its layer.
pub(crate) fn sources(fields: &[FieldSource]) -> View {
    const HEADER: &[&str] = &["FIELD", "VALUE", "LAYER", "FILE", "WHO", "WHEN", "REVISION"];
    let row = |field: &FieldSource| {
        let mut row = vec![field.field.clone(), known(&field.value), choice(field.layer().as_str_name(), "LAYER_")];
        row.push(in_file(field));
        row.extend(origin(field.origin.as_ref()));
        row
    };
    View(vec![Block::Table { header: HEADER, rows: fields.iter().map(row).collect() }])
}

/// What lies over the file: a row for each object that was added or removed and for each field that was set.
pub(crate) fn overlay(entries: &[OverlayEntry]) -> View {
    const HEADER: &[&str] = &["CHANGE", "OBJECT", "FIELD", "FILE", "VALUE", "WHO", "WHEN", "REVISION"];
    if entries.is_empty() {
        return View(vec![Block::Line("nothing lies over the file".to_owned())]);
    }
    let rows = entries.iter().flat_map(changes).map(|change| {
        let mut row = vec![change.marks(), change.object.to_owned()];
        row.extend([change.field.to_owned(), change.file, change.value]);
        row.extend(origin(change.origin));
        row
    });
    let mut blocks = vec![Block::Table { header: HEADER, rows: rows.collect() }];
    blocks.extend(problems(entries).chain(legend(entries)).map(Block::Line));
    View(blocks)
}

/// Below a YAML document, as comments: of every field in force its value, the layer that it comes from, and for what was
/// changed who did that, when and in which revision; then what was removed, and what has no effect.
pub(crate) fn comments(sources: &[ObjectSource], overlay: &[OverlayEntry]) -> String {
    let mut lines = Vec::new();
    if !sources.is_empty() {
        lines.push("# where each value comes from:".to_owned());
    }
    for ObjectSource { object, fields } in sources {
        lines.extend(fields.iter().map(|field| {
            let layer = choice(field.layer().as_str_name(), "LAYER_");
            let from = match &field.origin {
                Some(by) => format!("{layer}: {}{}", told(Some(by)), over(field)),
                None => layer,
            };
            format!("# {object}.{}: {} ({from})", field.field, known(&field.value))
        }));
    }
    // What is in force has been told above, where the proxy tells it.
    let untold = |change: &Change<'_>| sources.is_empty() || change.mark == "-" || change.field.is_empty();
    let rest: Vec<Change<'_>> = overlay.iter().flat_map(changes).filter(untold).collect();
    match (overlay.is_empty(), rest.is_empty()) {
        (true, _) => lines.push("# nothing lies over the file".to_owned()),
        (false, false) => lines.push("# over the file:".to_owned()),
        (false, true) => {}
    }
    lines.extend(rest.into_iter().map(|change| {
        let mark = change.marks();
        let Change { object, field, file, value, origin, .. } = change;
        let key = if field.is_empty() { object.to_owned() } else { format!("{object}.{field}") };
        let value = match field {
            "" => String::new(),
            _ if file.is_empty() => format!(": {value}"),
            _ => format!(": {file} → {value}"),
        };
        format!("# {mark} {key}{value} ({})", told(origin))
    }));
    lines.extend(problems(overlay).chain(legend(overlay)).map(|line| format!("# {line}")));
    lines.iter().map(|line| crate::printer::clean(line) + "\n").collect()
}

fn told(by: Option<&Origin>) -> String {
    let [who, when, revision] = origin(by);
    format!("{who}, {when}, revision {revision}")
}

/// What the file says instead.
fn over(field: &FieldSource) -> String {
    let mark = if field.conflict { "*" } else { "" };
    field.file_value.as_deref().map(|value| format!("; the file says {}{mark}", plain(value))).unwrap_or_default()
}

/// One thing that was done.
struct Change<'a> {
    mark: &'static str,
    object: &'a str,
    field: &'a str,
    file: String,
    value: String,
    origin: Option<&'a Origin>,
    conflict: bool,
}

impl Change<'_> {
    /// What was done, and whether the file was changed beneath it.
    fn marks(&self) -> String {
        format!("{}{}", self.mark, if self.conflict { "*" } else { "" })
    }
}

fn changes(entry: &OverlayEntry) -> Vec<Change<'_>> {
    let (whole, part) = match entry.kind() {
        OverlayKind::Added => (Some("+"), "+"),
        OverlayKind::Removed => (Some("-"), "-"),
        OverlayKind::Changed | OverlayKind::Unspecified => (None, "~"),
    };
    let object = entry.object.as_str();
    let whole = whole.map(|mark| Change {
        mark,
        object,
        field: "",
        file: String::new(),
        value: String::new(),
        origin: entry.origin.as_ref(),
        conflict: entry.conflict && !entry.fields.iter().any(|field| field.conflict),
    });
    let fields = entry.fields.iter().map(|field| Change {
        mark: part,
        object,
        field: &field.field,
        file: in_file(field),
        value: known(&field.value),
        origin: field.origin.as_ref(),
        conflict: field.conflict,
    });
    whole.into_iter().chain(fields).collect()
}

fn problems(entries: &[OverlayEntry]) -> impl Iterator<Item = String> + '_ {
    let faulty = entries.iter().filter(|entry| !entry.problem.is_empty());
    faulty.map(|entry| format!("! {} has no effect now: {}", entry.object, entry.problem))
}

/// What the mark of a conflict means, where there is one.
fn legend(entries: &[OverlayEntry]) -> Option<String> {
    let told = "* the file was changed here since and says something else; what was set through the API holds";
    entries.iter().any(|entry| entry.conflict).then(|| told.to_owned())
}

/// A value in force; nothing where there is none.
fn known(value: &str) -> String {
    if value == "null" { String::new() } else { plain(value) }
}

/// What the file says: the value itself where it comes from there.
fn in_file(field: &FieldSource) -> String {
    match (&field.file_value, field.layer()) {
        (Some(value), _) => plain(value),
        (None, Layer::File) => known(&field.value),
        (None, _) => String::new(),
    }
}

fn origin(origin: Option<&Origin>) -> [String; 3] {
    origin.map_or_else(Default::default, |origin| {
        [origin.who.clone(), moment(origin.at.as_ref()), origin.revision.to_string()]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_say_each_change_on_a_line_of_its_own() {
        let by = Origin { who: "ann".into(), at: None, revision: 4 };
        let set = FieldSource {
            field: "max_conn".into(),
            value: "200".into(),
            layer: Layer::Overlay.into(),
            origin: Some(by.clone()),
            file_value: Some("100".into()),
            conflict: true,
        };
        let entry = |kind: OverlayKind, object: &str| OverlayEntry {
            object: object.into(),
            kind: kind.into(),
            ..OverlayEntry::default()
        };
        let entries = [
            OverlayEntry { fields: vec![set], conflict: true, ..entry(OverlayKind::Changed, "backends.d.a") },
            OverlayEntry {
                origin: Some(by),
                problem: "it\nis gone".into(),
                ..entry(OverlayKind::Removed, "routing.r")
            },
        ];
        assert_eq!(
            comments(&[], &entries),
            "# over the file:\n# ~* backends.d.a.max_conn: 100 → 200 (ann, , revision 4)\n# - routing.r (ann, , revision 4)\n\
             # ! routing.r has no effect now: it?is gone\n\
             # * the file was changed here since and says something else; what was set through the API holds\n"
        );
        assert_eq!(comments(&[], &[]), "# nothing lies over the file\n");
        let plain = |field: &str, layer: Layer| FieldSource {
            field: field.into(),
            value: "1".into(),
            layer: layer.into(),
            ..FieldSource::default()
        };
        let mut fields = vec![plain("port", Layer::File), plain("weight", Layer::Default)];
        fields.extend(entries[0].fields.clone());
        let sources = [ObjectSource { object: "backends.d.a".into(), fields }];
        assert_eq!(
            comments(&sources, &entries).lines().collect::<Vec<_>>(),
            [
                "# where each value comes from:",
                "# backends.d.a.port: 1 (file)",
                "# backends.d.a.weight: 1 (default)",
                "# backends.d.a.max_conn: 200 (overlay: ann, , revision 4; the file says 100*)",
                "# over the file:",
                "# - routing.r (ann, , revision 4)",
                "# ! routing.r has no effect now: it?is gone",
                "# * the file was changed here since and says something else; what was set through the API holds",
            ]
        );
    }
}

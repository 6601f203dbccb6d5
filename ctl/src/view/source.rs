//! Where values come from.

use speedmimi_proto::v1::{FieldSource, Layer, Origin, OverlayEntry, OverlayKind};

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

/// The same as comments below a YAML document.
pub(crate) fn comments(entries: &[OverlayEntry]) -> String {
    let title = if entries.is_empty() { "nothing lies over the file" } else { "over the file:" };
    let mut lines = vec![format!("# {title}")];
    lines.extend(entries.iter().flat_map(changes).map(|change| {
        let mark = change.marks();
        let Change { object, field, file, value, origin: source, .. } = change;
        let key = if field.is_empty() { object.to_owned() } else { format!("{object}.{field}") };
        let value = match field {
            "" => String::new(),
            _ if file.is_empty() => format!(": {value}"),
            _ => format!(": {file} → {value}"),
        };
        let [who, when, revision] = origin(source);
        format!("# {mark} {key}{value} ({who}, {when}, revision {revision})")
    }));
    lines.extend(problems(entries).chain(legend(entries)).map(|line| format!("# {line}")));
    lines.iter().map(|line| crate::printer::clean(line) + "\n").collect()
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
            comments(&entries),
            "# over the file:\n# ~* backends.d.a.max_conn: 100 → 200 (ann, , revision 4)\n# - routing.r (ann, , revision 4)\n\
             # ! routing.r has no effect now: it?is gone\n\
             # * the file was changed here since and says something else; what was set through the API holds\n"
        );
        assert_eq!(comments(&[]), "# nothing lies over the file\n");
    }
}

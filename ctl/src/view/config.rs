//! The configuration.

use speedmimi_proto::v1::ReloadConfigResponse;

use super::{Block, View};

/// What reading the file again changed, or would change: one key a line, marked by what became of it.
pub(crate) fn reloaded(response: &ReloadConfigResponse, dry_run: bool) -> View {
    let revision = response.revision;
    let mut lines = vec![if dry_run {
        format!("configuration would be reloaded (dry run, revision {revision})")
    } else {
        format!("configuration reloaded (revision {revision})")
    }];
    let marked = [
        ("+", &response.added),
        ("-", &response.removed),
        ("~", &response.changed),
        ("! kept as changed at run time:", &response.conflicts),
    ];
    for (mark, keys) in marked {
        lines.extend(keys.iter().map(|key| format!("{mark} {key}")));
    }
    if lines.len() == 1 {
        lines.push("nothing differs".to_owned());
    }
    View(lines.into_iter().map(Block::Line).collect())
}

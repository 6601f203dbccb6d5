//! What became of changes to the configuration as a whole.

use speedmimi_proto::v1::{
    ApplyConfigResponse, ClearOverlayResponse, Difference, GetConfigResponse, ListRevisionsResponse,
    ReloadConfigResponse, Revision, RollbackConfigResponse,
};

use super::text::{became, moment, plain};
use super::{Block, View};

/// What a whole document changed, or would change.
pub(crate) fn applied(response: &ApplyConfigResponse, dry_run: bool) -> View {
    told("configuration", "applied", response.revision, dry_run, &response.differences, &[])
}

/// What forgetting changes changed, or would change.
pub(crate) fn cleared(object: &str, field: &str, response: &ClearOverlayResponse, dry_run: bool) -> View {
    let what = match (object, field) {
        ("", _) => "overlay".to_owned(),
        (object, "") => object.to_owned(),
        (object, field) => format!("{object}.{field}"),
    };
    told(&what, "cleared", response.revision, dry_run, &response.differences, &[])
}

/// What reading the file again changed, or would change.
pub(crate) fn reloaded(response: &ReloadConfigResponse, dry_run: bool) -> View {
    let ReloadConfigResponse { revision, differences, access, conflicts, files, .. } = response;
    let differences = [differences.as_slice(), access].concat();
    let View(mut blocks) = told("configuration", "reloaded", *revision, dry_run, &differences, conflicts);
    // Said though nothing is otherwise: who takes a token away has to see that the file was read.
    blocks.extend(files.iter().map(|file| Block::Line(format!("read again: {file}"))));
    View(blocks)
}

/// What going back changed, or would change.
pub(crate) fn rolled_back(to: u64, response: &RollbackConfigResponse, dry_run: bool) -> View {
    let done = format!("rolled back to revision {to}");
    told("configuration", &done, response.revision, dry_run, &response.differences, &[])
}

/// What was changed, newest first.
pub(crate) fn history(response: &ListRevisionsResponse, changes: bool) -> View {
    const HEADER: &[&str] = &["REVISION", "WHEN", "WHO", "FROM", "WHAT", "CHANGES"];
    if changes {
        return View(response.revisions.iter().flat_map(in_full).map(Block::Line).collect());
    }
    let row = |revision: &Revision| {
        let first = revision.differences.first().map(line).unwrap_or_default();
        let more = match revision.differences.len() {
            0 | 1 => String::new(),
            _ if revision.truncated => format!(" and {} or more", revision.differences.len() - 1),
            several => format!(" and {} more", several - 1),
        };
        let Revision { revision, who, from, what, at, .. } = revision;
        vec![revision.to_string(), moment(at.as_ref()), who.clone(), from.clone(), what.clone(), first + &more]
    };
    View(vec![Block::Table { header: HEADER, rows: response.revisions.iter().map(row).collect() }])
}

fn in_full(revision: &Revision) -> Vec<String> {
    let Revision { revision, who, from, what, at, differences, truncated } = revision;
    let mut lines = vec![format!("revision {revision}: {what} ({who} from {from}, {})", moment(at.as_ref()))];
    lines.extend(differences.iter().map(|difference| format!("  {}", line(difference))));
    lines.extend(truncated.then(|| "  and more".to_owned()));
    lines
}

/// Where the configuration was written.
pub(crate) fn exported(file: &str, response: &GetConfigResponse) -> View {
    let GetConfigResponse { revision, hash, .. } = response;
    View(vec![Block::Line(format!("{file}: configuration at revision {revision}, hash {hash}"))])
}

/// One key a line, marked by what became of it.
fn told(
    what: &str,
    done: &str,
    revision: u64,
    dry_run: bool,
    differences: &[Difference],
    conflicts: &[String],
) -> View {
    let mut lines = vec![became(what, done, revision, dry_run)];
    lines.extend(differences.iter().map(line));
    if differences.is_empty() {
        lines.push("nothing changes".to_owned());
    }
    lines.extend(conflicts.iter().map(|conflict| format!("! {conflict}")));
    View(lines.into_iter().map(Block::Line).collect())
}

fn line(difference: &Difference) -> String {
    let Difference { path, before, after } = difference;
    match (before.as_deref().map(plain), after.as_deref().map(plain)) {
        (Some(before), Some(after)) => format!("~ {path}: {before} → {after}"),
        (None, Some(after)) => format!("+ {path}: {after}"),
        (Some(before), None) => format!("- {path}: {before}"),
        (None, None) => format!("  {path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reload_says_whose_token_is_gone_and_that_the_files_were_read() {
        let gone = Difference {
            path: "grpc.auth.tokens_file.ops".to_owned(),
            before: Some("\"operate upstreams=a\"".to_owned()),
            after: None,
        };
        let files = vec!["grpc.auth.tokens_file: 2 tokens".to_owned()];
        let mut response = ReloadConfigResponse { revision: 7, files, access: vec![gone], ..Default::default() };
        let lines = |response: &ReloadConfigResponse| {
            let View(blocks) = reloaded(response, false);
            let lines = blocks.into_iter().map(|block| match block {
                Block::Line(line) => line,
                other => panic!("{other:?}"),
            });
            lines.skip(1).collect::<Vec<_>>()
        };
        let read = "read again: grpc.auth.tokens_file: 2 tokens";
        assert_eq!(lines(&response), ["- grpc.auth.tokens_file.ops: operate upstreams=a", read]);
        response.access.clear();
        assert_eq!(lines(&response), ["nothing changes", read]);
    }
}

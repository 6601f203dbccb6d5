//! What was changed, by whom, newest first.

use std::time::{Duration, UNIX_EPOCH};

use speedmimi_proto::v1;
use tonic::Status;

use crate::admin::sight::Sight;
use crate::admin::status::{self, Violations};
use crate::control::{Control, Revision};

/// Revisions on a page, where nobody says how many, and at most.
const PAGE: (u32, u32) = (100, 1000);

/// A page of the history.
pub(super) async fn list(
    control: &Control,
    request: &v1::ListRevisionsRequest,
    sight: Sight,
) -> Result<v1::ListRevisionsResponse, Status> {
    let mut violations = Violations::default();
    let (usual, most) = PAGE;
    let size = match request.page_size {
        0 => usual,
        size if size <= most => size,
        size => {
            violations.push("page_size", format!("{size} is not within 1..{most}"));
            usual
        }
    };
    let before = match (&*request.page_token, request.page_token.parse::<u64>()) {
        ("", _) => None,
        (_, Ok(revision)) => Some(revision),
        (token, Err(_)) => {
            violations.push("page_token", format!("{token:?} is no next_page_token of this list"));
            None
        }
    };
    violations.check()?;
    let size = size as usize;
    // One more tells whether there is another page.
    let mut found = control.history(before, size + 1).await.map_err(|error| status::refused(&error))?;
    let more = found.len() > size;
    found.truncate(size);
    let next_page_token = match found.last() {
        Some(last) if more => last.revision.to_string(),
        _ => String::new(),
    };
    Ok(v1::ListRevisionsResponse {
        revisions: found.into_iter().map(|found| revision(found, sight)).collect(),
        next_page_token,
    })
}

fn revision(found: Revision, sight: Sight) -> v1::Revision {
    let difference = |(path, before, after): (String, Option<serde_json::Value>, Option<serde_json::Value>)| {
        let told = |value: serde_json::Value| sight.text(&path, value);
        let (before, after) = (before.map(told), after.map(told));
        v1::Difference { path, before, after }
    };
    v1::Revision {
        revision: found.revision,
        who: found.who,
        from: found.from,
        at: Some((UNIX_EPOCH + Duration::from_micros(found.at)).into()),
        what: found.what,
        differences: found.differences.into_iter().map(difference).collect(),
        truncated: found.truncated,
    }
}

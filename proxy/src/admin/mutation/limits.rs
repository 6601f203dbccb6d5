//! What a caller with limits is told of a refusal: no name of anything that is not its own.

use speedmimi_model::{ChangeError, Object};
use tonic::Status;

use crate::admin::status;
use crate::control::{Refused, Scope};

/// What is told instead of what all upstreams and routes together are at fault for.
const TOGETHER: &str = "with this change, the upstreams and routes of this proxy would not be valid together: requests would \
                        lead nowhere; ask somebody without limits to add or change routes first";

/// A refusal as a caller of this scope may know it.
pub(super) fn told(refused: &Refused, scope: &Scope) -> Status {
    if !scope.is_limited() {
        return status::refused(refused);
    }
    let Refused::Change(change) = refused else { return status::refused(refused) };
    let change = match change {
        ChangeError::NotFound { kind, id, known } => {
            let own = |name: &&String| match Object::named(*kind, name) {
                Object::Backend { upstream, .. } | Object::Upstream(upstream) => scope.has(&upstream),
                // It is not known here where they lead.
                Object::Route(_) | Object::Section(_) => false,
            };
            ChangeError::NotFound { kind: *kind, id: id.clone(), known: known.iter().filter(own).cloned().collect() }
        }
        ChangeError::Unroutable(_) => ChangeError::Unroutable(TOGETHER.to_owned()),
        // What is added or needed is in an upstream of the caller, or leads to one; fields are those of its request.
        ChangeError::AlreadyExists { .. } | ChangeError::InUse { .. } => change.clone(),
        ChangeError::Invalid(_) | ChangeError::RestartNeeded { .. } => change.clone(),
    };
    status::refused(&change.into())
}

#[cfg(test)]
mod tests {
    use speedmimi_model::Kind;

    use super::*;

    #[test]
    fn names_of_others_are_left_out() {
        let mine = Scope::only(&["mine".to_owned()]);
        let missing = |kind, id: &str, known: [&str; 2]| {
            let known = known.map(str::to_owned).to_vec();
            Refused::from(ChangeError::NotFound { kind, id: id.into(), known })
        };
        let nowhere = "where requests go is not said: add routes to mine, secret";
        for (refused, all, own) in [
            (missing(Kind::Upstream, "mine", ["secret", "mine-too"]), "there are: secret, mine-too", "there are: none"),
            (missing(Kind::Upstream, "x", ["mine", "secret"]), "there are: mine, secret", "there are: mine"),
            (
                missing(Kind::Backend, "mine/x", ["mine/a", "mine/b"]),
                "there are: mine/a, mine/b",
                "there are: mine/a, mine/b",
            ),
            (missing(Kind::Route, "r", ["secret", "mine"]), "there are: secret, mine", "there are: none"),
            (ChangeError::Unroutable(nowhere.into()).into(), nowhere, TOGETHER),
        ] {
            let (free, limited) = (told(&refused, &Scope::default()), told(&refused, &mine));
            assert_eq!(free.code(), limited.code());
            assert!(free.message().ends_with(all), "{}", free.message());
            assert!(limited.message().ends_with(own), "{}", limited.message());
        }
    }
}

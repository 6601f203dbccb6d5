//! What a caller is shown of secrets: every answer that has a part of the configuration in it goes through here.

use std::borrow::Cow;

use serde_json::Value;
use speedmimi_model::{Config, Role, Route, hide};

use crate::control::Caller;

/// How much a caller sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sight {
    /// Everything, so that an export is the configuration.
    Whole,
    /// A mask in the place of secrets.
    Masked,
}

impl Sight {
    /// That of a caller: secrets are for the role `admin`, which is everybody where nobody has to say who they are.
    pub(super) fn of(caller: &Caller) -> Self {
        if caller.role.includes(Role::Admin) { Self::Whole } else { Self::Masked }
    }

    /// A configuration.
    pub(super) fn config(self, config: &Config) -> Cow<'_, Config> {
        match self {
            Self::Whole => Cow::Borrowed(config),
            Self::Masked => Cow::Owned(config.without_secrets()),
        }
    }

    /// A route.
    pub(super) fn route(self, route: &Route) -> Cow<'_, Route> {
        match self {
            Self::Whole => Cow::Borrowed(route),
            Self::Masked => Cow::Owned(route.without_secrets()),
        }
    }

    /// The value at a key of the configuration, as JSON.
    pub(super) fn text(self, path: &str, mut value: Value) -> String {
        if self == Self::Masked {
            hide(path, &mut value);
        }
        value.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_for_admins() {
        for (role, shown) in [
            (Role::Report, Sight::Masked),
            (Role::Read, Sight::Masked),
            (Role::Operate, Sight::Masked),
            (Role::Admin, Sight::Whole),
        ] {
            assert_eq!(Sight::of(&Caller { role, ..Caller::nobody() }), shown);
        }
        assert_eq!(Sight::of(&Caller::api("127.0.0.1:1")), Sight::Whole, "an open face has admins alone");
        let value = || Value::from("s3cr3t");
        assert_eq!(Sight::Masked.text("routing.r.headers.request.set.x", value()), r#""***""#);
        assert_eq!(Sight::Whole.text("routing.r.headers.request.set.x", value()), r#""s3cr3t""#);
    }
}

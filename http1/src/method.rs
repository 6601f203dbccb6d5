//! Request methods, as far as a proxy treats them differently.

/// A request method. Names are case-sensitive (RFC 9110 §9.1): `get` is [`Method::Other`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Method {
    /// GET
    Get,
    /// HEAD
    Head,
    /// POST
    Post,
    /// PUT
    Put,
    /// DELETE
    Delete,
    /// PATCH
    Patch,
    /// OPTIONS
    Options,
    /// TRACE
    Trace,
    /// CONNECT; refused in requests, see [`RequestError::Connect`](crate::RequestError::Connect).
    Connect,
    /// Any other token; its name is in [`RequestHead::method_name`](crate::RequestHead::method_name).
    #[default]
    Other,
}

impl Method {
    /// The method of this name.
    pub fn of_name(name: &[u8]) -> Self {
        match name {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"POST" => Self::Post,
            b"PUT" => Self::Put,
            b"DELETE" => Self::Delete,
            b"PATCH" => Self::Patch,
            b"OPTIONS" => Self::Options,
            b"TRACE" => Self::Trace,
            b"CONNECT" => Self::Connect,
            _ => Self::Other,
        }
    }

    /// Whether sending the request twice intends the same as once (RFC 9110 §9.2.2), so that a
    /// proxy may replay it. An unknown method is not.
    pub fn is_idempotent(self) -> bool {
        matches!(self, Self::Get | Self::Head | Self::Put | Self::Delete | Self::Options | Self::Trace)
    }

    /// Whether the answer has no body whatever its fields say.
    pub fn is_head(self) -> bool {
        self == Self::Head
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_case_sensitive() {
        assert_eq!(Method::of_name(b"GET"), Method::Get);
        assert_eq!(Method::of_name(b"get"), Method::Other);
    }

    #[test]
    fn post_patch_and_unknown_are_not_replayed() {
        for name in [b"POST".as_slice(), b"PATCH", b"CONNECT", b"BREW"] {
            assert!(!Method::of_name(name).is_idempotent());
        }
        for name in [b"GET".as_slice(), b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"TRACE"] {
            assert!(Method::of_name(name).is_idempotent());
        }
    }
}

//! What kind of refusal something is, as gRPC tells them apart.

/// A code, with its number on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Code {
    /// Whoever asked has left.
    Cancelled = 1,
    /// It is not known why.
    Unknown = 2,
    /// What was asked cannot be meant.
    InvalidArgument = 3,
    /// It took too long.
    DeadlineExceeded = 4,
    /// There is no such thing.
    NotFound = 5,
    /// There is one already.
    AlreadyExists = 6,
    /// The caller may not.
    PermissionDenied = 7,
    /// There is no room, or no turn.
    ResourceExhausted = 8,
    /// Not as things are.
    FailedPrecondition = 9,
    /// Somebody else was faster.
    Aborted = 10,
    /// Behind the end.
    OutOfRange = 11,
    /// Nothing here does that.
    Unimplemented = 12,
    /// A fault of the proxy.
    Internal = 13,
    /// Not now.
    Unavailable = 14,
    /// Something is lost for good.
    DataLoss = 15,
    /// It is not known who calls.
    Unauthenticated = 16,
}

impl Code {
    /// Every code.
    const ALL: [Self; 16] = [
        Self::Cancelled,
        Self::Unknown,
        Self::InvalidArgument,
        Self::DeadlineExceeded,
        Self::NotFound,
        Self::AlreadyExists,
        Self::PermissionDenied,
        Self::ResourceExhausted,
        Self::FailedPrecondition,
        Self::Aborted,
        Self::OutOfRange,
        Self::Unimplemented,
        Self::Internal,
        Self::Unavailable,
        Self::DataLoss,
        Self::Unauthenticated,
    ];

    /// The code with a number; unknown where there is none.
    pub fn numbered(number: i32) -> Self {
        Self::ALL.into_iter().find(|code| *code as i32 == number).unwrap_or(Self::Unknown)
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cancelled => "CANCELLED",
            Self::Unknown => "UNKNOWN",
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::NotFound => "NOT_FOUND",
            Self::AlreadyExists => "ALREADY_EXISTS",
            Self::PermissionDenied => "PERMISSION_DENIED",
            Self::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Self::FailedPrecondition => "FAILED_PRECONDITION",
            Self::Aborted => "ABORTED",
            Self::OutOfRange => "OUT_OF_RANGE",
            Self::Unimplemented => "UNIMPLEMENTED",
            Self::Internal => "INTERNAL",
            Self::Unavailable => "UNAVAILABLE",
            Self::DataLoss => "DATA_LOSS",
            Self::Unauthenticated => "UNAUTHENTICATED",
        }
    }
}

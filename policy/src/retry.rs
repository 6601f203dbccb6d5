//! Whether a failed exchange may be tried again without being asked to: the part of retries that is always on.

/// How far an attempt came before it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sent {
    /// Not a byte of the request left: the connect failed, or the backend refused it before reading.
    Nothing,
    /// Some of the request left, no byte of an answer came: the backend may have acted on it.
    Request,
    /// Some of an answer came.
    Answer,
}

/// A failed attempt and the request it was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempted {
    /// How far it came.
    pub sent: Sent,
    /// The method is idempotent (RFC 9110 section 9.2.2): doing it twice is doing it once.
    pub idempotent: bool,
    /// The request has no body, so there is nothing that could have been used up.
    pub bodyless: bool,
    /// How often this request has already been replayed after some of it had left.
    pub replays: u32,
}

/// Whether the request may go to another backend.
///
/// - Never sent: yes, whatever the method. The caller picks only among backends that this exchange has not tried,
///   so the number of backends bounds the attempts.
/// - Sent, no byte of an answer: once, and only an idempotent request without a body.
/// - Some of an answer: no; the client may have seen it.
///
/// Retries that a configuration asks for (statuses, replayable bodies, budget) are not decided here, and none of
/// this extends the exchange's total time.
#[must_use]
pub fn may_try_again(attempted: &Attempted) -> bool {
    match attempted.sent {
        Sent::Nothing => true,
        Sent::Request => attempted.idempotent && attempted.bodyless && attempted.replays == 0,
        Sent::Answer => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every case there is.
    #[test]
    fn again_only_if_unsent_or_harmless_and_the_first_time() {
        for sent in [Sent::Nothing, Sent::Request, Sent::Answer] {
            for (idempotent, bodyless) in [(false, false), (false, true), (true, false), (true, true)] {
                for replays in [0, 1, 7] {
                    let attempted = Attempted { sent, idempotent, bodyless, replays };
                    let expected = match (sent, idempotent, bodyless, replays) {
                        (Sent::Nothing, ..) | (Sent::Request, true, true, 0) => true,
                        (Sent::Request | Sent::Answer, ..) => false,
                    };
                    assert_eq!(may_try_again(&attempted), expected, "{attempted:?}");
                }
            }
        }
    }
}

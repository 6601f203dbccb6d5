//! Pure decisions: who gets a request, may it go, when to stop trying.
//!
//! Nothing here does I/O, reads a clock or knows a runtime: time and randomness are arguments, so every
//! decision can be tested, simulated and replayed. One idea a module:
//!
//! | module | answers |
//! |---|---|
//! | [`slots`] | may one more exchange start on this backend? |
//! | [`algorithm`] | what are the balancing algorithms called? |
//! | [`pick`] | which backend is next? |
//! | [`hash`] | which number stands for this client, this backend? |
//! | [`health`] | is a backend up, by its active checks? |
//! | [`passive`] | should it be left alone for a moment, by what traffic saw? |
//! | [`retry`] | may a failed exchange be tried again? |

pub mod algorithm;
pub mod hash;
pub mod health;
pub mod passive;
pub mod pick;
mod random;
pub mod retry;
pub mod slots;
mod sync;

pub use algorithm::{Algorithm, NotAvailable, UnknownAlgorithm};
pub use hash::{hash_ip, hash_key};
pub use health::{Checker, Health, Thresholds, next_delay};
pub use passive::{Passive, honour_ejections};
pub use pick::{Candidates, Considered, Explanation, Order, Picker};
pub use retry::{Attempted, Sent, may_try_again};
pub use slots::{MAX_CAP, Refusal, Shared, Slot, Slots, SlotsView, effective_cap};

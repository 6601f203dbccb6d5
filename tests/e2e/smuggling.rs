//! One interpretation of a message or none.

mod answers;
mod requests;

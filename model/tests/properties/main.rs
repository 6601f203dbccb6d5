//! Properties of the model, on texts, configurations and changes that nobody thought of.

#![allow(clippy::panic, reason = "a helper of a test fails the test")]

mod back;
mod faults;
mod generate;
mod history;
mod layers;
mod reading;
mod reference;

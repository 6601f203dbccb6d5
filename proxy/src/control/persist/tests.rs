//! The store against a model, against power cuts, and against a failing disk.

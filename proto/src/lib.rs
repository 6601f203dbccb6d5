//! Generated types of the management API and its descriptor set.

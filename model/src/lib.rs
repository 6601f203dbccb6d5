//! What a configuration is: parse, validate, change, diff. No I/O.

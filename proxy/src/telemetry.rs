//! What the proxy tells about itself: counters, histograms, access log, error log.

pub mod access_log;
pub mod cells;
pub mod histogram;
pub mod log;
pub mod prometheus;
pub mod windows;

//! What the proxy tells about itself: counters, histograms, access log.

pub mod access_log;
pub mod cells;
pub mod histogram;
pub mod prometheus;
pub mod windows;

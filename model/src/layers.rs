//! The configuration in force: the file and, over it, what was changed through the API.
//!
//! A value of this type never changes: a change makes a new one, or is refused and leaves nothing behind.

use std::sync::Arc;

use crate::config::Config;
use crate::overlay::Overlay;

mod apply;
mod build;
mod edit;
mod explain;
mod reload;
mod waiting;
mod whole;

pub use build::Problem;
pub use explain::{Explained, Layer};
pub use reload::{ReloadError, ReloadSummary};

/// File and overlay, with the effective configuration that they make. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Layers {
    file: Arc<Config>,
    overlay: Overlay,
    effective: Arc<Config>,
}

impl Layers {
    /// The file with nothing over it.
    pub fn new(file: Config) -> Self {
        let file = Arc::new(file);
        Self { effective: file.clone(), file, overlay: Overlay::default() }
    }

    /// The file with an overlay that was stored. Entries that fit nothing in it come back as problems: they do not
    /// count, but stay in the overlay, marked, until they are cleared; each reload and start tries them again.
    pub fn load(file: Config, mut overlay: Overlay) -> (Self, Vec<Problem>) {
        let config = loop {
            let (config, found) = build::build(&file, &overlay);
            if found.is_empty() {
                break config;
            }
            for problem in &found {
                waiting::park(&mut overlay, &problem.object, problem);
            }
        };
        let effective = waiting::retry(&file, &mut overlay, config);
        let overlay = build::tidy(&overlay, &file, &effective);
        let problems = overlay.parked().map(|(object, told)| Problem::new(object, told)).collect();
        (Self { file: Arc::new(file), overlay, effective: Arc::new(effective) }, problems)
    }

    /// The configuration in force.
    pub fn effective(&self) -> &Arc<Config> {
        &self.effective
    }

    /// The configuration of the file alone.
    pub fn file(&self) -> &Config {
        &self.file
    }

    /// What lies over it.
    pub fn overlay(&self) -> &Overlay {
        &self.overlay
    }
}

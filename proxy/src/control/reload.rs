//! Reading the configuration file, at the start and again.

use std::path::Path;

use speedmimi_model::Config;

use super::error::LoadError;
use super::{Answer, Call, Control, Guard, Operation, Refused};

impl Control {
    /// Reads the file again and puts it in the place of the one before, whole or not at all. Logged and counted,
    /// whoever asks.
    pub async fn reload(&self, guard: Guard, call: Option<Call>) -> Result<Answer, Refused> {
        // One at a time, so that what was read last is what is in force last.
        let _turn = self.shared.reloading.lock().await;
        if let Some(call) = call.clone().filter(|_| !guard.validate_only)
            && let Some(known) = self.recall(call).await?
        {
            return Ok(known);
        }
        let validate_only = guard.validate_only;
        match self.read_again().await {
            Ok(config) => self.perform(Operation::Reload(Box::new(config)), guard, call).await,
            Err(error) => {
                if !validate_only {
                    self.shared.lifecycle.count_reload(false);
                }
                tracing::error!(%error, validate_only, "reload refused, nothing was changed");
                Err(error)
            }
        }
    }

    async fn read_again(&self) -> Result<Config, Refused> {
        let path = self.shared.file.clone().ok_or(Refused::NoFile)?;
        let read = tokio::task::spawn_blocking(move || load(&path)).await;
        Ok(read.map_err(|_| Refused::Stopping)??)
    }
}

/// Reads and validates a configuration file.
pub fn load(path: &Path) -> Result<Config, LoadError> {
    let path_text = path.display().to_string();
    match std::fs::read_to_string(path) {
        Err(error) => Err(LoadError::Unreadable { path: path_text, error: error.to_string() }),
        Ok(text) => speedmimi_model::parse(&path_text, &text).map_err(|faults| LoadError::Faults {
            path: path_text,
            text,
            faults,
        }),
    }
}

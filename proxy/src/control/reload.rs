//! Reading the configuration file, at the start and again.

use std::path::Path;

use speedmimi_model::{Config, ReloadSummary};
use tokio::sync::oneshot;

use super::error::LoadError;
use super::{Command, Control, Guard, Refused, Reloaded, feed};

impl Control {
    /// Reads the file again and puts it in the place of the one before, whole or not at all. Logged and counted,
    /// whoever asks.
    pub async fn reload(&self, guard: Guard) -> Result<Reloaded, Refused> {
        let (validate_only, by) = (guard.validate_only, guard.by.who.clone());
        // One at a time, so that what was read last is what is in force last.
        let _turn = self.shared.reloading.lock().await;
        let result = self.try_reload(guard).await;
        if !validate_only {
            self.shared.lifecycle.count_reload(result.is_ok());
        }
        if !validate_only {
            self.feed().happened(feed::event::reload(&result, &by, self.view().store.revision()));
        }
        match &result {
            Ok(done) => {
                let ReloadSummary { added, removed, changed, conflicts } = &done.summary;
                tracing::info!(
                    revision = done.revision,
                    validate_only,
                    ?added,
                    ?removed,
                    ?changed,
                    ?conflicts,
                    "configuration reloaded"
                );
            }
            Err(error) => tracing::error!(%error, validate_only, "reload refused, nothing was changed"),
        }
        result
    }

    async fn try_reload(&self, guard: Guard) -> Result<Reloaded, Refused> {
        let path = self.shared.file.clone().ok_or(Refused::NoFile)?;
        let read = tokio::task::spawn_blocking(move || load(&path)).await;
        let config = Box::new(read.map_err(|_| Refused::Stopping)??);
        self.ask(|reply: oneshot::Sender<_>| Command::Reload { config, guard, looked_up: false, reply }).await
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

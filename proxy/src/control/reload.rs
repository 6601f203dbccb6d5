//! Reading the configuration file, at the start and again.

use std::path::Path;

use speedmimi_model::{Config, ReloadSummary};
use tokio::sync::oneshot;

use super::audit;
use super::error::LoadError;
use super::{Command, Control, Guard, Refused, Reloaded};
use crate::access::Renewed;

impl Control {
    /// Reads the file again and puts it in the place of the one before, whole or not at all. Logged and counted,
    /// whoever asks.
    pub async fn reload(&self, guard: Guard) -> Result<Reloaded, Refused> {
        let control = self.clone();
        // Goes on, and is told, though whoever asked for it leaves.
        tokio::spawn(async move { control.reload_now(guard).await }).await.unwrap_or(Err(Refused::Stopping))
    }

    async fn reload_now(&self, guard: Guard) -> Result<Reloaded, Refused> {
        let validate_only = guard.validate_only;
        // One at a time, so that what was read last is what is in force last.
        let _turn = self.shared.reloading.lock().await;
        let result = self.try_reload(guard.clone()).await;
        audit::reload(&guard, &result);
        if !validate_only {
            self.shared.lifecycle.count_reload(result.is_ok());
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
        // Secrets first: whatever is wrong with them, nothing was changed.
        let renewed = self.read_secrets().await?;
        let validate_only = guard.validate_only;
        let done =
            self.ask(|reply: oneshot::Sender<_>| Command::Reload { config, guard, looked_up: false, reply }).await?;
        if let Some(renewed) = renewed.filter(|_| !validate_only) {
            renewed.install();
        }
        Ok(done)
    }

    /// Reads the files of tokens and certificates again; which they are only a restart can change.
    async fn read_secrets(&self) -> Result<Option<Renewed>, Refused> {
        let Some(access) = self.shared.access.get().cloned() else { return Ok(None) };
        let view = self.view();
        let read = tokio::task::spawn_blocking(move || access.read_again(view.store.config())).await;
        let renewed = read.map_err(|_| Refused::Stopping)?.map_err(LoadError::Access)?;
        Ok(Some(renewed))
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

//! Reading the configuration file, at the start and again.

use std::path::Path;
use std::sync::Arc;

use speedmimi_model::Config;

use super::audit;
use super::error::LoadError;
use super::store::Store;
use super::{Answer, Call, Control, Guard, Operation, Refused, feed};

impl Control {
    /// Reads the file again and puts it in the place of the one before, whole or not at all. Logged and counted,
    /// whoever asks. It reads the files of tokens and certificates, too: whatever is wrong with one of them, nothing
    /// is changed.
    pub async fn reload(&self, guard: Guard, call: Option<Call>) -> Result<Answer, Refused> {
        let control = self.clone();
        // Goes on, and is told, though whoever asked for it leaves.
        tokio::spawn(async move { control.reload_now(guard, call).await }).await.unwrap_or(Err(Refused::Stopping))
    }

    async fn reload_now(&self, guard: Guard, call: Option<Call>) -> Result<Answer, Refused> {
        // One at a time, so that what was read last is what is in force last.
        let _turn = self.shared.reloading.lock().await;
        if let Some(call) = call.clone().filter(|_| !guard.validate_only) {
            let request_id = call.request_id.clone();
            match self.recall(call).await {
                Ok(None) => {}
                Ok(Some(known)) => return Ok(known),
                Err(error) => {
                    audit::unread(&guard, &error, &request_id);
                    return Err(error);
                }
            }
        }
        let validate_only = guard.validate_only;
        match self.read_again().await {
            Ok(operation) => self.perform(operation, guard, call).await,
            Err(error) => {
                if !validate_only {
                    self.shared.lifecycle.count_reload(false);
                }
                tracing::error!(%error, validate_only, "reload refused, nothing was changed");
                if !validate_only {
                    let revision = self.view().store.revision();
                    self.feed().happened(feed::event::reload(&Err(error.clone()), &guard.by.who, revision));
                }
                audit::unread(&guard, &error, call.as_ref().map_or("", |call| &call.request_id));
                Err(error)
            }
        }
    }

    async fn read_again(&self) -> Result<Operation, Refused> {
        let path = self.shared.file.clone().ok_or(Refused::NoFile)?;
        let access = self.shared.access.get().cloned();
        let view = self.view();
        let read = tokio::task::spawn_blocking(move || {
            let config = Box::new(load(&path)?);
            // Which files they are only a restart can change.
            let secrets = access.map(|access| access.read_again(view.store.config())).transpose();
            Ok::<_, LoadError>(Operation::Reload { config, secrets: secrets.map_err(LoadError::Access)?.map(Arc::new) })
        });
        Ok(read.await.map_err(|_| Refused::Stopping)??)
    }
}

/// Conflicts that are logged one by one.
const TOLD: usize = 100;

/// Logs where the file contradicts what was changed through the API, and which of them holds. No values: they may be
/// secrets.
pub(super) fn tell(revision: u64, conflicts: &[String]) {
    for conflict in conflicts.iter().take(TOLD) {
        tracing::warn!(revision, conflict, "the file contradicts what was changed through the API");
    }
    if let Some(more) = conflicts.len().checked_sub(TOLD).filter(|more| *more > 0) {
        tracing::warn!(revision, more, "the file contradicts more of what was changed through the API");
    }
}

/// Logs what was brought back from an earlier revision and fits nothing in the file.
pub(super) fn tell_waiting(store: &Store) {
    let revision = store.revision();
    let entries = store.layers().overlay().entries();
    let waiting: Vec<_> = entries.filter_map(|(object, entry)| Some((object, entry.parked.as_ref()?))).collect();
    for (object, why) in waiting.iter().take(TOLD) {
        tracing::warn!(revision, %object, why, "what was changed through the API has no effect now");
    }
    if let Some(more) = waiting.len().checked_sub(TOLD).filter(|more| *more > 0) {
        tracing::warn!(revision, more, "more of what was changed through the API has no effect now");
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

//! How much the error log says: `log.level`, or for a while what an operator wants.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use speedmimi_model::Level;
use tokio::task::AbortHandle;

use super::caller::Caller;
use crate::telemetry::log::{self, Switch};

/// The level in force. One that was set goes back by itself.
#[derive(Debug, Default)]
pub struct LogLevel(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    switch: Option<Switch>,
    configured: Level,
    chosen: Option<Chosen>,
    /// Tells one choice from the next: the end of an old one must not undo a new one.
    serial: u64,
    /// What waits for the end of the choice.
    end: Option<AbortHandle>,
}

#[derive(Debug, Clone, Copy)]
struct Chosen {
    level: Level,
    until: SystemTime,
}

impl LogLevel {
    /// There is a log now, at the level of the configuration.
    pub fn attach(&self, switch: Switch, configured: Level) {
        let mut state = self.0.lock();
        state.switch = Some(switch);
        state.configured = configured;
    }

    /// The level in force, and when that ends; none where it is the configured one.
    pub fn in_force(&self) -> (Level, Option<SystemTime>) {
        self.0.lock().in_force()
    }

    /// The level of the configuration.
    pub fn configured(&self) -> Level {
        self.0.lock().configured
    }

    /// Sets the level for that long. Needs a runtime. Returns when it ends.
    pub fn set(self: &Arc<Self>, level: Level, ttl: Duration, by: &Caller) -> SystemTime {
        let until = SystemTime::now() + ttl;
        let mut state = self.0.lock();
        let serial = state.choose(Some(Chosen { level, until }), by, "the log level was set for a while");
        let this = self.clone();
        let end = tokio::spawn(async move {
            tokio::time::sleep(ttl).await;
            this.0.lock().expire(serial);
        });
        state.end = Some(end.abort_handle());
        until
    }

    /// Back to the level of the configuration.
    pub fn reset(&self, by: &Caller) {
        self.0.lock().choose(None, by, "the log level was set back");
    }
}

impl State {
    fn in_force(&self) -> (Level, Option<SystemTime>) {
        self.chosen.map_or((self.configured, None), |chosen| (chosen.level, Some(chosen.until)))
    }

    /// The time of a choice is over; nothing where another was made since.
    fn expire(&mut self, serial: u64) {
        if self.serial == serial {
            self.choose(None, &Caller::default(), "the log level went back by itself");
        }
    }

    fn choose(&mut self, chosen: Option<Chosen>, by: &Caller, what: &'static str) -> u64 {
        let (before, _) = self.in_force();
        self.chosen = chosen;
        self.serial += 1;
        if let Some(end) = self.end.take() {
            end.abort();
        }
        let (after, _) = self.in_force();
        // Said while the log says most: a level that hides the line must not hide who chose it.
        let says_less = log::filter(after) < log::filter(before);
        if says_less {
            say(before, after, before, chosen, by, what);
        }
        if let Some(switch) = &self.switch {
            switch.set(log::filter(after));
        }
        if !says_less {
            say(after, after, before, chosen, by, what);
        }
        self.serial
    }
}

fn say(visible: Level, after: Level, before: Level, chosen: Option<Chosen>, by: &Caller, what: &'static str) {
    let (who, from) = (&*by.who, &*by.from);
    let ttl_s = chosen.map(|chosen| chosen.until.duration_since(SystemTime::now()).unwrap_or_default().as_secs_f64());
    let ttl_s = ttl_s.map(f64::round);
    match visible {
        Level::Error => tracing::error!(who, from, level = ?after, before = ?before, ttl_s, "{what}"),
        Level::Warn => tracing::warn!(who, from, level = ?after, before = ?before, ttl_s, "{what}"),
        Level::Info | Level::Debug | Level::Trace => {
            tracing::info!(who, from, level = ?after, before = ?before, ttl_s, "{what}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(level: &LogLevel) -> (Level, bool) {
        let (level, until) = level.in_force();
        (level, until.is_some())
    }

    #[tokio::test]
    async fn the_end_of_an_old_choice_undoes_no_new_one() {
        let level = Arc::new(LogLevel::default());
        let by = Caller::default();
        assert_eq!(at(&level), (Level::Info, false));
        level.set(Level::Debug, Duration::from_secs(3600), &by);
        let old = level.0.lock().serial;
        assert_eq!(at(&level), (Level::Debug, true));
        level.set(Level::Error, Duration::from_secs(3600), &by);
        level.0.lock().expire(old);
        assert_eq!(at(&level), (Level::Error, true));
        let new = level.0.lock().serial;
        level.0.lock().expire(new);
        assert_eq!(at(&level), (Level::Info, false));
        level.set(Level::Trace, Duration::from_secs(3600), &by);
        level.reset(&by);
        assert_eq!(at(&level), (Level::Info, false));
    }

    #[tokio::test]
    async fn nothing_waits_for_the_end_of_a_choice_that_was_replaced() {
        let level = Arc::new(LogLevel::default());
        let by = Caller::default();
        for _ in 0..5 {
            level.set(Level::Debug, Duration::from_secs(86_400), &by);
        }
        // Each that waits has its own hold of the level.
        let held = async |times| {
            let fewer = async {
                while Arc::strong_count(&level) > times {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(Duration::from_secs(10), fewer).await.expect("the others are gone");
        };
        held(2).await;
        assert_eq!(at(&level), (Level::Debug, true), "the last one waits");
        level.reset(&by);
        held(1).await;
    }

    #[tokio::test]
    async fn a_level_goes_back_by_itself() {
        let level = Arc::new(LogLevel::default());
        level.set(Level::Debug, Duration::from_millis(5), &Caller::default());
        let back = async {
            while at(&level) != (Level::Info, false) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), back).await.expect("its time is over");
    }
}

//! Backends that drain, as part of the store.

use std::sync::Arc;

use speedmimi_model::{Backend, Change, Config, Object, Overlay};

use super::{Guard, Store};
use crate::control::Refused;
use crate::control::drain::{Drain, Drains, OnDeadline, Plan};

impl Store {
    /// Backends that drain or are drained.
    pub fn draining(&self) -> &Arc<Drains> {
        &self.draining
    }

    /// What an operator wants of a backend that drains.
    pub fn drain_of(&self, upstream: &str, id: &str) -> Option<&Drain> {
        if self.draining.is_empty() {
            return None;
        }
        self.draining.get(&(upstream.to_owned(), id.to_owned()))
    }

    /// What operators want of a backend.
    pub fn admin_of(&self, upstream: &str, backend: &Backend) -> Admin {
        if self.admits(upstream, backend) {
            Admin::Enabled
        } else if self.drain_of(upstream, &backend.id).is_some() && !self.is_disconnected(upstream, &backend.id) {
            Admin::Draining
        } else {
            Admin::Disabled
        }
    }

    /// The store with a backend that drains, and whether it did before; then nothing is changed. `at`: now, in
    /// microseconds since 1970.
    pub(in crate::control) fn drain(
        &self,
        upstream: &str,
        id: &str,
        plan: &Plan,
        guard: &Guard,
        at: u64,
    ) -> Result<(Self, bool), Refused> {
        let object = Object::backend(upstream, id);
        self.check(Some(&object), guard)?;
        self.layers.existing(&object)?;
        match self.drain_of(upstream, id) {
            Some(running) if plan.means(running) => return Ok((self.clone(), true)),
            Some(running) if !plan.replace => {
                return Err(Refused::Draining { object, by: running.by.clone() });
            }
            _ => {}
        }
        let mut next = self.clone();
        let drain = plan.begin(&guard.by.who, at);
        Arc::make_mut(&mut next.draining).insert((upstream.to_owned(), id.to_owned()), drain);
        next.touch([object], &guard.by);
        Ok((next, false))
    }

    /// The store with an earlier overlay and the drains of that time, as far as their backends are there. A drain whose
    /// deadline has passed meanwhile goes on as overdue: going back ends no exchange.
    pub(in crate::control) fn restore(
        &self,
        overlay: Overlay,
        drains: Drains,
        guard: &Guard,
        at: u64,
    ) -> Result<Self, Refused> {
        let (mut next, _) = self.change(&Change::Restore(Box::new(overlay)), guard, at)?;
        let config = next.layers.effective().clone();
        let there = |(upstream, id): &(String, String)| config.backend(upstream, id).is_some();
        let mut wanted: Drains = drains.into_iter().filter(|(name, _)| there(name)).collect();
        for (name, drain) in &mut wanted {
            let passed = drain.deadline_at.is_some_and(|deadline| deadline <= at);
            if passed && self.draining.get(name) != Some(drain) {
                drain.on_deadline = OnDeadline::Keep;
            }
        }
        let names = next.draining.keys().chain(wanted.keys());
        let differ = names.filter(|name| next.draining.get(*name) != wanted.get(*name));
        let differ: Vec<Object> = differ.map(|(upstream, id)| Object::backend(upstream, id)).collect();
        if !differ.is_empty() {
            next.draining = Arc::new(wanted);
            // One revision for both.
            let touched = if next.revision > self.revision { next.made.touched.clone() } else { Vec::new() };
            next.revision = self.revision;
            next.touch(touched.into_iter().chain(differ), &guard.by);
        }
        Ok(next)
    }

    /// Backends that are disconnected here and not there, or there and not here.
    pub(in crate::control) fn otherwise_disconnected(&self, other: &Self) -> Vec<(String, String)> {
        if Arc::ptr_eq(&self.disconnected, &other.disconnected) {
            return Vec::new();
        }
        self.disconnected.symmetric_difference(&other.disconnected).cloned().collect()
    }

    /// Ends the drain of a backend, if there is one.
    pub(super) fn end_drain(&mut self, object: &Object) -> bool {
        let Object::Backend { upstream, id } = object else { return false };
        self.drain_of(upstream, id).is_some()
            && Arc::make_mut(&mut self.draining).remove(&(upstream.clone(), id.clone())).is_some()
    }

    /// A backend that is gone does not drain when it comes back.
    pub(super) fn forget_drains(&mut self, config: &Config) {
        let gone = |(upstream, id): &(String, String)| config.backend(upstream, id).is_none();
        if self.draining.keys().any(gone) {
            Arc::make_mut(&mut self.draining).retain(|name, _| !gone(name));
        }
    }
}

/// What operators want of a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admin {
    /// It takes exchanges.
    Enabled,
    /// It takes no new ones.
    Disabled,
    /// It takes no new ones until those in flight have ended.
    Draining,
}

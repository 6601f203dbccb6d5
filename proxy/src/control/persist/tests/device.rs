//! A device with a cache in front of it, as Linux has one: what is written is in the cache, and on the device once it is
//! synced; a power cut keeps any part of the rest; a failed sync forgets that there is a rest.

use std::io;
use std::sync::Arc;

use parking_lot::Mutex;
use redb::StorageBackend;

use super::super::medium::Medium;

/// What a device writes whole or not at all.
const SECTOR: usize = 512;

/// One more device; a clone is the same one.
#[derive(Debug, Clone, Default)]
pub(super) struct Device(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// What a read sees.
    cache: Vec<u8>,
    /// What a power cut leaves for sure.
    disk: Vec<u8>,
    /// What is written and not synced.
    pending: Vec<Change>,
    /// What happened since [`Device::listen`].
    events: Option<Vec<Event>>,
    fault: Option<Fault>,
    /// Calls since the fault was set that could have failed.
    calls: usize,
    dice: Dice,
}

#[derive(Debug)]
struct Dice(fastrand::Rng);

impl Default for Dice {
    fn default() -> Self {
        Self(fastrand::Rng::with_seed(super::seed()))
    }
}

/// A change that is not on the device yet.
#[derive(Debug, Clone)]
pub(super) enum Change {
    Write { at: usize, data: Vec<u8> },
    Length(usize),
}

/// What happened.
#[derive(Debug, Clone)]
pub(super) enum Event {
    Changed(Change),
    Synced,
    /// The store said that a batch is durable.
    Acknowledged,
}

/// Which calls fail, and how.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fault {
    /// Calls that still work.
    pub(super) after: usize,
    /// Calls that then fail.
    pub(super) times: usize,
    /// Error number of the system.
    pub(super) errno: i32,
}

impl Device {
    /// A device that holds this and nothing that is not synced.
    pub(super) fn holding(image: Vec<u8>) -> Self {
        Self(Arc::new(Mutex::new(State { cache: image.clone(), disk: image, ..State::default() })))
    }

    /// An empty one whose failures and power cuts follow another seed.
    pub(super) fn seeded(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State { dice: Dice(fastrand::Rng::with_seed(seed)), ..State::default() })))
    }

    /// Begins to keep what happens.
    pub(super) fn listen(&self) {
        self.0.lock().events = Some(Vec::new());
    }

    /// Notes that a batch was acknowledged.
    pub(super) fn acknowledged(&self) {
        self.0.lock().note(Event::Acknowledged);
    }

    /// What happened.
    pub(super) fn events(&self) -> Vec<Event> {
        self.0.lock().events.take().unwrap_or_default()
    }

    /// What is synced.
    pub(super) fn disk(&self) -> Vec<u8> {
        self.0.lock().disk.clone()
    }

    /// What a read sees.
    pub(super) fn cache(&self) -> Vec<u8> {
        self.0.lock().cache.clone()
    }

    /// What the power cut of this moment leaves.
    pub(super) fn cut(&self) -> Vec<u8> {
        let state = &mut *self.0.lock();
        cut(&state.disk, &state.pending, &mut state.dice.0)
    }

    /// Lets calls fail.
    pub(super) fn fail(&self, fault: Option<Fault>) {
        let mut state = self.0.lock();
        state.fault = fault;
        state.calls = 0;
    }

    /// Whether a call has failed since [`Device::fail`].
    pub(super) fn has_failed(&self) -> bool {
        let state = self.0.lock();
        state.fault.is_some_and(|fault| state.calls > fault.after)
    }
}

impl State {
    fn note(&mut self, event: Event) {
        if let Some(events) = &mut self.events {
            events.push(event);
        }
    }

    fn change(&mut self, change: Change) {
        apply(&mut self.cache, &change);
        self.pending.push(change.clone());
        self.note(Event::Changed(change));
    }

    fn check(&mut self) -> io::Result<()> {
        let Some(fault) = self.fault else { return Ok(()) };
        self.calls += 1;
        let failing = self.calls > fault.after && self.calls <= fault.after.saturating_add(fault.times);
        if failing { Err(io::Error::from_raw_os_error(fault.errno)) } else { Ok(()) }
    }
}

impl StorageBackend for Device {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().cache.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.0.lock();
        let at = usize::try_from(offset).expect("a small device");
        let found = state.cache.get(at..at + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(found);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.0.lock();
        state.check()?;
        state.change(Change::Length(usize::try_from(len).expect("a small device")));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let state = &mut *self.0.lock();
        let pending = std::mem::take(&mut state.pending);
        if let Err(error) = state.check() {
            // What did not reach the device is not tried again, and stays readable.
            state.disk = cut(&state.disk, &pending, &mut state.dice.0);
            return Err(error);
        }
        for change in &pending {
            apply(&mut state.disk, change);
        }
        state.note(Event::Synced);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.0.lock();
        let at = usize::try_from(offset).expect("a small device");
        if let Err(error) = state.check() {
            // A write may stop anywhere, most often before it begins.
            let part = if state.dice.0.bool() { 0 } else { state.dice.0.usize(..=data.len()) };
            state.change(Change::Write { at, data: data[..part].to_vec() });
            return Err(error);
        }
        state.change(Change::Write { at, data: data.to_vec() });
        Ok(())
    }
}

impl Medium for Device {
    fn give_up_cached(&self) {
        let state = &mut *self.0.lock();
        state.cache = state.disk.clone();
        for change in &state.pending {
            apply(&mut state.cache, change);
        }
    }
}

pub(super) fn apply(image: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Length(length) => image.resize(*length, 0),
        Change::Write { at, data } => {
            let end = at + data.len();
            if image.len() < end {
                image.resize(end, 0);
            }
            image[*at..end].copy_from_slice(data);
        }
    }
}

/// Cuts the power before each of these events, more than once where a sync is due, and after the last. `each` is given
/// what that leaves, how much was acknowledged until then, and the place of the event. Returns how often.
pub(super) fn cut_everywhere(
    mut disk: Vec<u8>,
    events: Vec<Event>,
    dice: &mut fastrand::Rng,
    mut each: impl FnMut(Vec<u8>, usize, usize),
) -> usize {
    let (mut pending, mut acknowledged, mut cuts) = (Vec::<Change>::new(), 0, 0);
    for (index, event) in events.into_iter().enumerate() {
        // The moments in a sync are the ones that matter: everything is under way at once.
        let times = if matches!(event, Event::Synced) { 6 } else { 1 };
        for _ in 0..times {
            each(cut(&disk, &pending, dice), acknowledged, index);
            cuts += 1;
        }
        match event {
            Event::Changed(change) => pending.push(change),
            Event::Synced => pending.drain(..).for_each(|change| apply(&mut disk, &change)),
            Event::Acknowledged => acknowledged += 1,
        }
    }
    each(disk, acknowledged, usize::MAX);
    cuts
}

/// What a power cut leaves of a disk and what was not synced: none of it, all of it, what came first, some writes and
/// not others in any order, or some sectors of each write.
pub(super) fn cut(disk: &[u8], pending: &[Change], dice: &mut fastrand::Rng) -> Vec<u8> {
    let mut image = disk.to_vec();
    let mut kept: Vec<Change> = match dice.u8(..8) {
        0 => Vec::new(),
        1 => pending.to_vec(),
        2 => pending[..dice.usize(..=pending.len())].to_vec(),
        3 | 4 => {
            let mut some: Vec<_> = pending.iter().filter(|_| dice.bool()).cloned().collect();
            dice.shuffle(&mut some);
            some
        }
        _ => {
            // All sectors but a few, or any: the first finds a page that is missing, the second a page that is torn.
            let odds = [1, 4, 8][dice.usize(..3)];
            let mut sectors: Vec<_> = pending.iter().flat_map(sectors).filter(|_| dice.u8(..9) < odds).collect();
            if dice.bool() {
                dice.shuffle(&mut sectors);
            }
            sectors
        }
    };
    // A write beyond the end of the file is not in it, whatever the disk has.
    let length = match kept
        .iter()
        .rev()
        .find_map(|change| if let Change::Length(length) = change { Some(*length) } else { None })
    {
        Some(length) => length,
        None => disk.len(),
    };
    kept.retain(|change| matches!(change, Change::Write { .. }));
    for change in &kept {
        apply(&mut image, change);
    }
    image.resize(length, 0);
    image
}

fn sectors(change: &Change) -> Vec<Change> {
    let Change::Write { at, data } = change else { return vec![change.clone()] };
    let (mut from, end) = (*at, at + data.len());
    let mut parts = Vec::new();
    while from < end {
        let to = end.min((from / SECTOR + 1) * SECTOR);
        parts.push(Change::Write { at: from, data: data[from - at..to - at].to_vec() });
        from = to;
    }
    parts
}

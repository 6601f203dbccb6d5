//! Power cuts at every point of a run: every acknowledged batch is there, none is there by half.

use std::time::Instant;

use super::super::Memory;
use super::device::{Device, Event, apply, cut, cut_everywhere};
use super::*;

/// Batches of a run.
const BATCHES: u64 = 24;
/// Runs, each from its own seed.
const RUNS: u64 = 3;
/// Power cuts that the runs make together, at least.
const AT_LEAST: usize = 1_000;

#[test]
fn a_power_cut_at_any_point_leaves_every_acknowledged_batch_whole() {
    let began = Instant::now();
    let cuts: usize = (0..RUNS).map(|run| Run::new(seed().wrapping_add(run)).cut_everywhere()).sum();
    println!("{cuts} power cuts in {:?}", began.elapsed());
    assert!(cuts >= AT_LEAST, "only {cuts} power cuts");
}

/// A run and what it may leave.
struct Run {
    seed: u64,
    dice: fastrand::Rng,
    /// The disk when the run began.
    disk: Vec<u8>,
    events: Vec<Event>,
    /// The content after each batch; the first is that before any.
    contents: Vec<Content>,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut dice = fastrand::Rng::with_seed(seed);
        let device = Device::default();
        drop(opened(device.clone()));
        let disk = device.disk();
        device.listen();
        let (mut store, mut model) = (opened(device.clone()), Memory::new(LIMITS));
        let mut contents = vec![Content::of(&model)];
        for clock in 0..BATCHES {
            let batch = random_batch(&mut dice, clock);
            store.commit(&batch).expect("room");
            device.acknowledged();
            model.commit(&batch).expect("room");
            contents.push(Content::of(&model));
        }
        drop(store);
        Self { seed, dice, disk, events: device.events(), contents }
    }

    /// Cuts the power after every event, and more than once where a sync is due. Returns how often.
    fn cut_everywhere(mut self) -> usize {
        let (disk, events, mut dice) = (self.disk.clone(), std::mem::take(&mut self.events), self.dice.fork());
        let acknowledged = events.iter().filter(|event| matches!(event, Event::Acknowledged)).count();
        assert_eq!(acknowledged, self.contents.len() - 1, "every batch was acknowledged");
        cut_everywhere(disk, events, &mut dice, |image, acknowledged, event| self.check(image, acknowledged, event))
    }

    /// Starts again on what is left, sometimes with another cut during that start.
    fn check(&mut self, image: Vec<u8>, acknowledged: usize, event: usize) {
        let device = Device::holding(image);
        let again = self.dice.u8(..4) == 0;
        let device = if again { self.cut_start(&device) } else { device };
        let mut store = opened(device);
        let found = Content::of(&store);
        let may = &self.contents[acknowledged..self.contents.len().min(acknowledged + 2)];
        let place = format!("event {event}, {acknowledged} acknowledged, SPEEDMIMI_SEED={}", self.seed);
        assert!(may.contains(&found), "{place}: found\n{found:?}\nwhich is none of\n{may:?}");
        // And it goes on from there.
        if self.dice.u8(..8) == 0 {
            store.commit(Batch::new().put(Table::Meta, "after", "1")).expect("room");
            assert_eq!(store.get(Table::Meta, "after").expect("read"), Some(b"1".to_vec()), "{place}");
        }
    }

    /// A device on which a start was cut at a random point.
    fn cut_start(&mut self, device: &Device) -> Device {
        let mut disk = device.disk();
        device.listen();
        let store = opened(device.clone());
        let events = device.events();
        drop(store);
        let mut pending = Vec::new();
        for event in events.into_iter().take(self.dice.usize(..12)) {
            match event {
                Event::Changed(change) => pending.push(change),
                Event::Synced => pending.drain(..).for_each(|change| apply(&mut disk, &change)),
                Event::Acknowledged => {}
            }
        }
        Device::holding(cut(&disk, &pending, &mut self.dice))
    }
}

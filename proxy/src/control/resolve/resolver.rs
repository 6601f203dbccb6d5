//! Who asks the system for addresses: each name once at a time, in the order in which names were first wanted.
//!
//! The system's look-up cannot be given up: it keeps a thread until it answers, which takes half a minute where name
//! servers are silent. So what is on its way is shared by all who want it, goes on when they no longer wait, keeps its
//! turn, and is told to the control task whenever it comes. Names that never answer hold [`AT_ONCE`] threads at most, and
//! no other name out for longer than they take.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{Instant, timeout_at};

use super::Name;

/// Look-ups at once. Each holds a thread that may also be wanted to write changes to the disk.
const AT_ONCE: usize = 16;

/// An address list with its name.
pub type Found = (Name, Arc<[SocketAddr]>);

/// What is asked of the system.
type Ask = Arc<dyn Fn(Name) -> Option<Arc<[SocketAddr]>> + Send + Sync>;

/// Looks names up. Clones share what is on its way.
#[derive(Clone)]
pub struct Resolver {
    ask: Ask,
    /// An answer, none where there is none, once it is there.
    under_way: Arc<Mutex<HashMap<Name, watch::Receiver<Option<Answer>>>>>,
    turns: Arc<Semaphore>,
    found: mpsc::UnboundedSender<Found>,
}

type Answer = Option<Arc<[SocketAddr]>>;

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resolver").field("under_way", &self.under_way.lock().len()).finish_non_exhaustive()
    }
}

impl Resolver {
    /// Asks the system. Every answer also goes to `found`, whoever still waits for it.
    pub fn new(found: mpsc::UnboundedSender<Found>) -> Self {
        Self::asking(Arc::new(of_the_system), found)
    }

    fn asking(ask: Ask, found: mpsc::UnboundedSender<Found>) -> Self {
        Self { ask, under_way: Arc::default(), turns: Arc::new(Semaphore::new(AT_ONCE)), found }
    }

    /// Looks all names up, and returns what is known once all have answered or `patience` is over. Names without answer
    /// are absent.
    pub async fn look_up(&self, names: BTreeSet<Name>, patience: Duration) -> HashMap<Name, Arc<[SocketAddr]>> {
        let deadline = Instant::now() + patience;
        let mut answers: FuturesUnordered<_> = names
            .into_iter()
            .map(|name| {
                let mut answer = self.begin(&name);
                async move {
                    let answer = answer.wait_for(Option::is_some).await.ok()?.clone()??;
                    Some((name, answer))
                }
            })
            .collect();
        let mut found = HashMap::new();
        while let Ok(Some(answer)) = timeout_at(deadline, answers.next()).await {
            found.extend(answer);
        }
        found
    }

    /// Begins to look a name up, or joins in.
    fn begin(&self, name: &Name) -> watch::Receiver<Option<Answer>> {
        let mut under_way = self.under_way.lock();
        if let Some(answer) = under_way.get(name) {
            return answer.clone();
        }
        let (told, answer) = watch::channel(None);
        under_way.insert(name.clone(), answer.clone());
        let (resolver, name) = (self.clone(), name.clone());
        tokio::spawn(async move {
            let turn = resolver.turns.clone().acquire_owned().await;
            let (ask, asked) = (resolver.ask.clone(), name.clone());
            let answer = tokio::task::spawn_blocking(move || {
                // Held here: the thread is taken until the system answers, even if this task is gone by then.
                let _turn = turn;
                ask(asked)
            });
            let answer = answer.await.unwrap_or_default();
            resolver.under_way.lock().remove(&name);
            if let Some(addresses) = &answer {
                // An error means that the control task has ended.
                let _ = resolver.found.send((name, addresses.clone()));
            }
            told.send_replace(Some(answer));
        });
        answer
    }
}

/// Sorted, because resolvers rotate: the same set must compare as unchanged.
fn of_the_system((host, port): Name) -> Answer {
    use std::net::ToSocketAddrs as _;
    match (host.as_str(), port).to_socket_addrs() {
        Ok(addresses) => Some(addresses.collect::<BTreeSet<_>>().into_iter().collect::<Arc<[_]>>())
            .filter(|addresses| !addresses.is_empty()),
        Err(error) => {
            tracing::warn!(host, %error, "a backend's name does not resolve");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc as threads;

    use super::*;

    fn name(host: &str) -> Name {
        (host.into(), 80)
    }

    fn one() -> Arc<[SocketAddr]> {
        ["127.0.0.1:80".parse().expect("an address")].into()
    }

    /// Names that begin with `hang` do not answer before the sender is gone; the others do at once.
    fn resolver(release: threads::Receiver<()>) -> (Resolver, mpsc::UnboundedReceiver<Found>) {
        let (sender, found) = mpsc::unbounded_channel();
        let release = Mutex::new(release);
        let ask: Ask = Arc::new(move |(host, _)| {
            if host.starts_with("hang") {
                let _ = release.lock().recv();
            }
            Some(one())
        });
        (Resolver::asking(ask, sender), found)
    }

    #[tokio::test]
    async fn localhost_resolves_and_nonsense_does_not() {
        let (sender, _found) = mpsc::unbounded_channel();
        let names = BTreeSet::from([name("localhost"), name("no.such.name.invalid")]);
        let found = Resolver::new(sender).look_up(names, Duration::from_secs(20)).await;
        assert!(found[&name("localhost")].iter().all(|address| address.ip().is_loopback()));
        assert!(!found.contains_key(&name("no.such.name.invalid")));
    }

    #[tokio::test]
    async fn names_that_do_not_answer_keep_no_other_waiting_for_longer_than_they_take() {
        let (hold, release) = threads::channel::<()>();
        let (resolver, mut found) = resolver(release);
        let mut names: BTreeSet<Name> = (0..AT_ONCE).map(|n| name(&format!("hang-{n}"))).collect();
        names.insert(name("z-good"));
        let soon = Duration::from_millis(1);
        for _ in 0..3 {
            assert!(resolver.look_up(names.clone(), soon).await.is_empty(), "every turn is taken");
        }
        assert_eq!(resolver.under_way.lock().len(), AT_ONCE + 1, "each is asked once");
        drop(hold);
        let mut told = BTreeSet::new();
        while told.len() <= AT_ONCE {
            told.insert(found.recv().await.expect("answers come late, but they come").0);
        }
        assert!(told.contains(&name("z-good")));
        let again = resolver.look_up(names.clone(), Duration::from_secs(20)).await;
        assert_eq!(again.len(), names.len());
    }

    #[tokio::test]
    async fn a_name_that_does_not_answer_keeps_none_waiting_while_there_are_turns() {
        let (hold, release) = threads::channel::<()>();
        let (resolver, _found) = resolver(release);
        let both = BTreeSet::from([name("hang"), name("z-good")]);
        let found = resolver.look_up(both, Duration::from_millis(200)).await;
        assert_eq!(found.keys().collect::<Vec<_>>(), [&name("z-good")]);
        drop(hold);
    }
}

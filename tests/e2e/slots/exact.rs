//! Exactness under stress: thousands of impatient clients, limits and states that change, and a backend that counts.
//!
//! `SPEEDMIMI_SOAK_SECONDS` sets how long it goes on (5 unless set); `SPEEDMIMI_SEED` replays the choices of a run,
//! whose seed is printed when it fails.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{Backend, Client, Config, Dice, Management, Next, PATIENCE, Proxy, eventually, soak_seconds};

const CLIENTS: usize = 2_000;
const CAP: usize = 7;

/// Takes 20 to 100 ms for each request, unless the proxy leaves.
fn busy(id: usize, dice: &Dice) -> Backend {
    let dice = dice.split();
    let count = AtomicU64::new(0);
    let backend = Backend::serve(move |_, conn| {
        let time = dice.split_at(count.fetch_add(1, Ordering::Relaxed)).between(20, 100);
        if !conn.work(Duration::from_millis(time)) {
            return Ok(Next::Close);
        }
        conn.respond("200 OK", "", format!("b{id}"))?;
        Ok(Next::Keep)
    });
    backend.flight().set_limit(CAP);
    backend
}

#[derive(Default)]
struct Tally {
    stop: AtomicBool,
    answered: AtomicU64,
    refused: AtomicU64,
    left: AtomicU64,
    wrong: AtomicU64,
}

/// One client: asks, thinks, asks again; sometimes it leaves in one of three ways.
fn client(address: SocketAddr, dice: &Dice, tally: &Tally) {
    // sleep: arrivals are staggered
    thread::sleep(Duration::from_millis(dice.between(0, 1000)));
    let mut kept: Option<Client> = None;
    while !tally.stop.load(Ordering::Relaxed) {
        let connection = kept.take().or_else(|| TcpStream::connect_timeout(&address, PATIENCE).ok().map(Client::over));
        let Some(mut connection) = connection else {
            tally.wrong.fetch_add(1, Ordering::Relaxed);
            continue;
        };
        let sent = connection.try_send("GET / HTTP/1.1\r\nHost: e2e.test\r\n\r\n").is_ok();
        match dice.between(0, 10) {
            0 => {
                // sleep: the client leaves at any moment of the exchange
                thread::sleep(Duration::from_millis(dice.between(0, 60)));
                tally.left.fetch_add(1, Ordering::Relaxed);
                connection.reset();
            }
            1 => {
                // sleep: the client leaves at any moment of the exchange
                thread::sleep(Duration::from_millis(dice.between(0, 60)));
                tally.left.fetch_add(1, Ordering::Relaxed);
                connection.half_close();
                connection.rest();
            }
            2 => {
                tally.left.fetch_add(1, Ordering::Relaxed);
                drop(connection);
            }
            _ => match connection.try_response("GET") {
                Ok(response) => {
                    let count = match (response.status, response.fields.get("proxy-status")) {
                        (200, None) => &tally.answered,
                        (503, Some(status)) if status.contains("connection_limit") => &tally.refused,
                        (503, Some(status)) if status.contains("no_backend") => &tally.refused,
                        _ => &tally.wrong,
                    };
                    count.fetch_add(1, Ordering::Relaxed);
                    kept = Some(connection);
                }
                Err(_) if !sent => {}
                Err(_) => {
                    tally.wrong.fetch_add(1, Ordering::Relaxed);
                }
            },
        }
        // sleep: a client thinks before it asks again
        thread::sleep(Duration::from_millis(dice.between(200, 1200)));
    }
}

/// Raises and lowers limits, disables and enables, and tells the counting backends what is in force: what gives more
/// before it is asked for, what takes away after it was acknowledged.
fn operate(management: &Management, backends: &[Backend], dice: &Dice, until: Instant) -> u64 {
    let mut caps = [CAP; 3];
    let mut changes = 0;
    while Instant::now() < until {
        // sleep: each state is in force for a while
        thread::sleep(Duration::from_millis(dice.between(100, 500)));
        let which = dice.between(0, 3) as usize;
        let (id, flight) = (format!("b{which}"), backends[which].flight());
        if dice.between(0, 4) == 0 {
            management.disable(&id);
            flight.set_limit(0);
            // sleep: each state is in force for a while
            thread::sleep(Duration::from_millis(dice.between(100, 800)));
            flight.set_limit(caps[which]);
            management.enable(&id);
        } else {
            let cap = [3, 5, 7, 10, 14][dice.between(0, 5) as usize];
            if cap > caps[which] {
                flight.set_limit(cap);
            }
            management.set_max_conn(&id, cap as i32);
            if cap < caps[which] {
                flight.set_limit(cap);
            }
            caps[which] = cap;
        }
        changes += 1;
    }
    for (which, backend) in backends.iter().enumerate() {
        backend.flight().set_limit(14);
        management.set_max_conn(&format!("b{which}"), CAP as i32);
    }
    changes
}

#[test]
fn nothing_is_admitted_at_or_above_the_cap_in_force() {
    let dice = Dice::new();
    let backends: Vec<Backend> = (0..3).map(|id| busy(id, &dice)).collect();
    let mut config = Config::new().server("workers: 2");
    for (id, backend) in backends.iter().enumerate() {
        config = config.backend_with(&format!("b{id}"), backend.address(), &format!("max_conn: {CAP}"));
    }
    let proxy = Proxy::start(&config);
    let management = proxy.management();
    let tally = Arc::new(Tally::default());
    let address = proxy.address();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (dice, tally) = (dice.split(), tally.clone());
            let small = thread::Builder::new().stack_size(256 << 10);
            small.spawn(move || client(address, &dice, &tally)).expect("threads suffice")
        })
        .collect();
    eventually("the load is on", || tally.refused.load(Ordering::Relaxed) > 200);

    // First with limits that stand still, to see that slots are used as well as kept.
    backends.iter().for_each(|backend| backend.flight().start_measuring());
    let still = Duration::from_secs(soak_seconds()) / 3;
    // sleep: measures a mean over time
    thread::sleep(still);
    let used = backends.iter().map(|backend| backend.flight().use_of_limit()).sum::<f64>() / 3.0;
    let changes = operate(&management, &backends, &dice, Instant::now() + still * 2);

    tally.stop.store(true, Ordering::Relaxed);
    clients.into_iter().for_each(|client| client.join().expect("a client does not panic"));
    let counts =
        [&tally.answered, &tally.refused, &tally.left, &tally.wrong].map(|count| count.load(Ordering::Relaxed));
    let what = format!("{dice}; answered, refused, left, wrong: {counts:?}; {changes} changes; use of slots {used:.3}");
    eprintln!("{what}");
    let violations: Vec<String> = backends.iter().flat_map(|backend| backend.flight().violations()).collect();
    assert!(violations.is_empty(), "{what}\n{violations:#?}");
    assert_eq!(counts[3], 0, "{what}: every answer is a backend's or says why not");
    assert!(counts[0] > 100 && counts[1] > 100 && counts[2] > 100 && changes > 2, "{what}: a stress without stress");
    assert!(used >= 0.9, "{what}: the mean in flight is below 0.9 of the cap");

    eventually("the backends are at rest", || backends.iter().all(|backend| backend.flight().current() == 0));
    proxy.assert_at_rest();
    for (id, backend) in backends.iter().enumerate() {
        let status = management.status(&format!("b{id}"));
        assert_eq!(status.in_flight, 0, "{what}");
        assert_eq!(status.admitted, status.finished + status.failed + status.cancelled, "{what}");
        assert!(status.admitted >= backend.flight().total(), "{what}: b{id} saw more than was admitted");
        assert_eq!(status.failed, 0, "{what}: no backend failed");
    }
}

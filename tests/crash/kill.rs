//! SIGKILL at random moments: under load, and now and then while the service starts.

use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use fastrand::Rng;

use crate::books::Books;
use crate::check::{check, connect};
use crate::client::{self, Client, End};
use crate::server::{Place, Server};

const CLIENTS: usize = 32;
const PRODUCTS: usize = 4;
/// How many kills one database lives through; a new one then, for everything in it is compared each time.
const KILLS_EACH: usize = 10;
/// The moment of a kill, from the beginning of the load.
const KILL_AFTER_MS: std::ops::Range<u64> = 1..400;

/// The moment of a kill, from the start of the process.
const KILL_START_AFTER_US: std::ops::Range<u64> = 0..60_000;

/// What happened, for the last line.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) kills: usize,
    pub(crate) kills_at_start: usize,
    pub(crate) acknowledged: usize,
    pub(crate) unanswered: usize,
    /// How many of the unanswered had been carried out.
    pub(crate) carried: usize,
    pub(crate) slowest_ready: Duration,
}

/// Kills the service so many times; `ready_max` is how long a restart may take until `/readyz` says 200.
pub(crate) fn run(kills: usize, ready_max: Duration, seed: u64) -> Result<Tally, String> {
    let mut rng = Rng::with_seed(seed);
    let mut tally = Tally::default();
    while tally.kills < kills {
        let mut place = Place::new()?;
        let count = KILLS_EACH.min(kills - tally.kills);
        one_database(&place, count, ready_max, &mut rng, &mut tally)
            .map_err(|line| format!("kill {} (kept in {}): {line}", tally.kills, place.keep()))?;
    }
    if tally.acknowledged == 0 || (kills >= 10 && tally.unanswered == 0) {
        return Err("no request was acknowledged, or none was under way at a kill: nothing was tested".into());
    }
    Ok(tally)
}

fn one_database(
    place: &Place,
    kills: usize,
    ready_max: Duration,
    rng: &mut Rng,
    tally: &mut Tally,
) -> Result<(), String> {
    // The very first start of all, when the database is made, is cut short as well.
    kill_at_start(place, rng, tally)?;
    let mut server = place.serve()?;
    let opened = client::open_shop(&mut connect(&server)?, PRODUCTS)?;
    let mut clients = client::clients(CLIENTS, rng.u64(..));
    for _ in 0..kills {
        let done = |clients: &[Client]| clients.iter().map(|client| client.done.len()).sum::<usize>();
        let before = done(&clients);
        let after = Duration::from_millis(rng.u64(KILL_AFTER_MS));
        load(server, &mut clients, &opened, |server| {
            thread::sleep(after);
            server.kill()
        })?;
        tally.kills += 1;
        tally.acknowledged += done(&clients) - before;
        tally.unanswered += clients.iter().filter(|client| client.unanswered.is_some()).count();

        if rng.u8(0..4) == 0 {
            kill_at_start(place, rng, tally)?;
        }
        server = place.serve()?;
        tally.slowest_ready = tally.slowest_ready.max(server.ready_after);
        if server.ready_after > ready_max {
            return Err(format!("ready only {:?} after the restart", server.ready_after));
        }
        tally.carried += check(place, &server, &opened, &mut clients, rng)?;
    }
    server.kill()
}

fn kill_at_start(place: &Place, rng: &mut Rng, tally: &mut Tally) -> Result<(), String> {
    let starting = place.start(&mut place.command())?;
    thread::sleep(Duration::from_micros(rng.u64(KILL_START_AFTER_US)));
    tally.kills_at_start += 1;
    starting.kill()
}

/// Lets the clients write until the service has ended; `end` waits for that or sees to it.
pub(crate) fn load(
    mut server: Server,
    clients: &mut [Client],
    opened: &Books,
    end: impl FnOnce(&mut Server) -> Result<(), String>,
) -> Result<(), String> {
    let (address, stop) = (server.address, AtomicBool::new(false));
    let products: Vec<i64> = opened.products.keys().copied().collect();
    let ends = thread::scope(|scope| {
        let running: Vec<_> = clients
            .iter_mut()
            .map(|client| scope.spawn(|| client.run(address, &products, &stop)))
            .collect();
        let ended = end(&mut server);
        // Whatever came of that, for clients stop when it is gone.
        drop(server);
        let ends: Vec<_> = running.into_iter().map(|client| client.join()).collect();
        ended.map(|()| ends)
    })?;
    for end in ends {
        match end.map_err(|_| "a client panicked")?? {
            End::Gone => {}
            end @ (End::Told | End::Refused(_) | End::Unknown) => {
                return Err(format!("a client was stopped by other than the kill: {end:?}"));
            }
        }
    }
    Ok(())
}

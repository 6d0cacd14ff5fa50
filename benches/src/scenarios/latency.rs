//! From the POST to the first statement at the target: 500 alerts a second over 100 rules.
//!
//! The first statement is the probe of `observe`; until then the notification and the issue must be durable. The first
//! change comes after the decision and its intent are durable too. The target runs in this process, so that one clock
//! times both ends; it answers at once.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::body::Request;
use crate::client::Numbers;
use crate::disk::Disk;
use crate::error::{Error, While};
use crate::report::{self, Row};
use crate::rules;
use crate::scenarios::Bench;
use crate::statistics::{Summary, Times, median, millis};
use crate::subject::{NO_LIMITS, Setup, Subject};
use crate::target::{Seen, Target, round_trips};

/// Alerts a second.
const RATE: u64 = 500;
/// Rules, each for alerts of its own.
const RULES: usize = 100;
/// Threads that send, each in its own rhythm; while one waits for its answer the others go on.
const SENDERS: u64 = 16;
/// The first alerts are left out: connections are being made.
const WARM_UP: Duration = Duration::from_secs(1);
/// How long the last alerts may take to reach the target.
const LAST: Duration = Duration::from_secs(10);

/// Measures it, in turns with the disk and the target's round trip.
///
/// # Errors
/// A process cannot be started or does not answer, or an alert never reaches the target.
pub fn latency(bench: &Bench) -> Result<Vec<Row>, Error> {
    let mut rounds = Vec::new();
    for number in 0..bench.rounds {
        let round = round(bench)?;
        report::note(format!(
            "latency, round {number}: first statement {}; first change {}; answer {}; sync {}; round trip {}",
            round.first, round.changed, round.answered, round.sync, round.trip
        ));
        rounds.push(round);
    }
    let of = |read: fn(&Round) -> Duration| {
        Duration::from_secs_f64(median(
            &rounds.iter().map(|round| read(round).as_secs_f64()).collect::<Vec<_>>(),
        ))
    };
    let beyond = |time: Duration, syncs: u32| {
        millis(
            time.saturating_sub(of(|round| round.sync.p50) * syncs)
                .saturating_sub(of(|round| round.trip.p50)),
        )
    };
    let floor = format!(
        "one sync p50 {}, p99 {}; round trip {}",
        millis(of(|round| round.sync.p50)),
        millis(of(|round| round.sync.p99)),
        millis(of(|round| round.trip.p50)),
    );
    let (first, first_99) = (of(|round| round.first.p50), of(|round| round.first.p99));
    let (changed, changed_99) = (of(|round| round.changed.p50), of(|round| round.changed.p99));
    Ok(vec![
        Row::new(
            "POST to first statement at the target, 500 alerts/s, 100 rules",
            format!("p50 {}, p99 {}", millis(first), millis(first_99)),
            &floor,
            format!("beyond one sync and round trip: p50 {}, p99 {}", beyond(first, 1), beyond(first_99, 1)),
            "beyond: p50 < 1 ms, p99 < 3 ms",
        ),
        Row::new(
            "POST to first change at the target, the same",
            format!("p50 {}, p99 {}", millis(changed), millis(changed_99)),
            &floor,
            format!(
                "beyond one sync and round trip: p50 {}, p99 {}",
                beyond(changed, 1),
                beyond(changed_99, 1)
            ),
            "",
        ),
    ])
}

struct Round {
    first: Summary,
    changed: Summary,
    answered: Summary,
    sync: Summary,
    trip: Summary,
}

fn round(bench: &Bench) -> Result<Round, Error> {
    let target = Target::start()?;
    let setup = Setup {
        rules: rules::asking(RULES),
        policy: NO_LIMITS.to_owned(),
        adapters: format!(
            "{{redis: {{targets: {{bench: {{url: \"redis://{}/0\"}}}}, trimmable: [\"bench-*\"]}}}}",
            target.address()
        ),
        ..Setup::default()
    };
    let selfheal = Subject::selfheal(&bench.programs, &setup)?;
    let mut disk = Disk::open(selfheal.directory())?;
    let sync = disk.times(super::SYNCS)?.summary();
    let trip = round_trips(target.address(), 1000)?.summary();
    let (sent, answered) = send(selfheal.address(), WARM_UP + bench.seconds)?;
    let last = Instant::now();
    let all_changed = |seen: &HashMap<u64, Seen>| {
        sent.keys().all(|number| seen.get(number).is_some_and(|seen| seen.changed.is_some()))
    };
    let mut seen = target.seen();
    while !all_changed(&seen) {
        if last.elapsed() > LAST {
            let reached = seen.values().filter(|seen| seen.changed.is_some()).count();
            let metrics = selfheal.metrics()?;
            return Err(Error::Server(format!(
                "of {} alerts only {reached} have changed something at the target; guards that stopped others: {}",
                sent.len(),
                metrics.samples("self_healing_guard_stops_total"),
            )));
        }
        std::thread::sleep(Duration::from_millis(20));
        seen = target.seen();
    }
    selfheal.stop()?;
    let began = sent.values().min().copied().unwrap_or(last);
    let (mut first, mut changed) = (Times::default(), Times::default());
    for (number, at) in sent.iter().filter(|(_, at)| at.duration_since(began) > WARM_UP) {
        let seen = &seen[number];
        first.add(seen.first.duration_since(*at));
        changed.extend(seen.changed.map(|changed| changed.duration_since(*at)));
    }
    Ok(Round { first: first.summary(), changed: changed.summary(), answered: answered.summary(), sync, trip })
}

/// Sends at the rate for so long; gives when each number was sent, and how long the answers took.
fn send(address: SocketAddr, duration: Duration) -> Result<(HashMap<u64, Instant>, Times), Error> {
    let begun = Instant::now() + Duration::from_millis(50);
    let senders = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..SENDERS)
            .map(|sender| scope.spawn(move || send_some(address, sender, begun, duration)))
            .collect();
        threads.into_iter().map(|thread| thread.join()).collect::<Vec<_>>()
    });
    let (mut sent, mut answered) = (HashMap::new(), Times::default());
    for sender in senders {
        let (some, times) = sender.map_err(|_| Error::Server("a sender panicked".to_owned()))??;
        sent.extend(some);
        answered.join(times);
    }
    Ok((sent, answered))
}

fn send_some(
    address: SocketAddr,
    sender: u64,
    begun: Instant,
    duration: Duration,
) -> Result<(Vec<(u64, Instant)>, Times), Error> {
    let mut requests: Vec<Request> =
        (0..RULES).map(|rule| Request::new(&format!("{}{rule:05}", rules::ALERT), 1)).collect();
    let mut stream = TcpStream::connect(address).doing("connect to selfheal")?;
    stream.set_nodelay(true).doing("turn off Nagle's algorithm")?;
    let (mut sent, mut times) = (Vec::new(), Times::default());
    let mut answer = [0; 4096];
    for turn in 0.. {
        let place = turn * SENDERS + sender;
        let due = begun + Duration::from_secs(1).mul_f64(place as f64 / RATE as f64);
        if due.duration_since(begun) >= duration {
            break;
        }
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let request = &mut requests[place as usize % RULES];
        let number = Numbers::FIRST + place;
        request.number(number);
        let at = Instant::now();
        stream.write_all(request.bytes()).doing("send an alert")?;
        // An answer of this size comes in one piece.
        let length = stream.read(&mut answer).doing("read the answer")?;
        if !answer[..length].starts_with(b"HTTP/1.1 200") {
            return Err(Error::Server(String::from_utf8_lossy(&answer[..length]).into_owned()));
        }
        times.add(at.elapsed());
        sent.push((number, at));
    }
    Ok((sent, times))
}

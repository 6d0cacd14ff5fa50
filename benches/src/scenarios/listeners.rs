//! Who looks on must not slow down what is looked at: durable intake with listeners to the live stream, beside the same without.
//!
//! Every turn has a process and a journal of its own, with a history. Listeners are connections that read all they are
//! told; they hear `many` under a flood, as a browser does. How long a page of the list takes meanwhile is measured, too.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use selfheal_test_servers::http;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::body::Request;
use crate::client::{Answers, Flood, Numbers};
use crate::error::{Error, While};
use crate::report::{self, Row};
use crate::rules;
use crate::scenarios::Bench;
use crate::statistics::{Times, median, millis, spread};
use crate::subject::{NO_LIMITS, Setup, Subject};

/// Issues that are there before.
const HISTORY: u64 = 10_000;
/// Who listens.
const LISTENERS: usize = 1_000;
/// How long all of this may take to be there.
const READY_LIMIT: Duration = Duration::from_secs(120);
/// Between two looks at the list of issues while the flood goes on.
const LOOK: Duration = Duration::from_millis(100);
/// What a listener's connection stays open for when it hears nothing.
const STREAM: &str =
    "GET /api/self-healing/stream HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n";
/// What a page of issues is asked by.
const PAGE: &str = "/api/self-healing/issues?limit=100";

/// What listeners hear.
#[derive(Default)]
struct Heard {
    /// Connections that have got the beginning of their stream.
    listening: AtomicU64,
    /// Events over all of them.
    events: AtomicU64,
    /// Connections that ended although nobody ended them.
    lost: AtomicU64,
    over: AtomicBool,
}

/// Measures it.
///
/// # Errors
/// A process cannot be started or does not answer, or the system lets nobody open so many connections.
pub fn listeners(bench: &Bench) -> Result<Vec<Row>, Error> {
    let (mut alone, mut heard, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let (mut pages_alone, mut pages_heard) = (Times::default(), Times::default());
    for round in 0..bench.rounds {
        let (without, pages, _) = turn(bench, 0)?;
        pages_alone.join(pages);
        let (with, pages, told) = turn(bench, LISTENERS)?;
        pages_heard.join(pages);
        report::note(format!(
            "listeners, round {round}: {:.0}/s without, {:.0}/s with {LISTENERS}, who heard {} events, {} lost",
            without.rate(),
            with.rate(),
            told.events.load(Ordering::Relaxed),
            told.lost.load(Ordering::Relaxed),
        ));
        alone.push(without.rate());
        heard.push(with.rate());
        ratios.push(with.rate() / without.rate());
    }
    Ok(vec![
        Row::new(
            format!("intake, 1 alert a body, {HISTORY} issues before, {LISTENERS} listeners"),
            format!("{:.0}/s", median(&heard)),
            format!("{:.0}/s without listeners (spread {:.0} %)", median(&alone), 100.0 * spread(&alone)),
            format!("{:.2}", median(&ratios)),
            "≥ 0.9",
        ),
        Row::new(
            "the same: a page of 100 issues meanwhile".to_owned(),
            pages_heard.summary().to_string(),
            format!("{} p50 without listeners", millis(pages_alone.summary().p50)),
            String::new(),
            "",
        ),
    ])
}

/// One process with its history, so many listeners, and a flood.
fn turn(bench: &Bench, listeners: usize) -> Result<(Answers, Times, Heard), Error> {
    let setup = Setup {
        rules: vec![rules::other()],
        policy: NO_LIMITS.to_owned(),
        intake: "{backlog_max: 100000000}".to_owned(),
        ..Setup::default()
    };
    let selfheal = Subject::selfheal(&bench.programs, &setup)?;
    let (numbers, heard) = (Numbers::new(), Heard::default());
    remember(&selfheal)?;
    let ran: Result<_, Error> = std::thread::scope(|scope| {
        let listening = scope.spawn(|| listen(selfheal.address(), listeners, &heard));
        let looked = scope.spawn(|| look(&selfheal, &heard));
        let ran = flood_when_all_listen(bench, &selfheal, &numbers, listeners, &heard);
        heard.over.store(true, Ordering::Relaxed);
        let panicked = |_| Error::Server("a thread of the client panicked".to_owned());
        listening.join().map_err(panicked)??;
        Ok((ran?, looked.join().map_err(panicked)??))
    });
    let (answers, pages) = ran?;
    Ok((answers, pages, heard))
}

/// Makes the history, of alerts whose numbers are below those of the flood.
fn remember(selfheal: &Subject) -> Result<(), Error> {
    let mut request = Request::new(rules::ALERT, HISTORY / 10);
    for part in 0..10 {
        request.number(part * HISTORY / 10);
        let body = std::str::from_utf8(request.body()).unwrap_or_default();
        let url = format!("http://{}/webhook/alertmanager", selfheal.address());
        let answer = http::post_json(&url, body).doing("post the history")?;
        if !answer.is_success() {
            return Err(Error::Server(format!(
                "the history was answered {}: {}",
                answer.status, answer.body
            )));
        }
    }
    selfheal.wait_until("the history is there", READY_LIMIT, |metrics| {
        metrics.count("self_healing_alerts_total", "result=\"opened\"") >= HISTORY
    })?;
    Ok(())
}

fn flood_when_all_listen(
    bench: &Bench,
    selfheal: &Subject,
    numbers: &Numbers,
    listeners: usize,
    heard: &Heard,
) -> Result<Answers, Error> {
    let begun = Instant::now();
    while heard.listening.load(Ordering::Relaxed) < listeners as u64 {
        if begun.elapsed() > READY_LIMIT || heard.lost.load(Ordering::Relaxed) > 0 {
            let listening = heard.listening.load(Ordering::Relaxed);
            return Err(Error::Server(format!("only {listening} of {listeners} can listen; see ulimit -n")));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let flood = Flood {
        address: selfheal.address(),
        connections: bench.connections,
        threads: bench.threads,
        duration: bench.seconds,
        rate: None,
        distinct: true,
    };
    flood.run(&Request::new(rules::ALERT, 1), numbers)
}

/// All listeners, on one thread.
fn listen(address: SocketAddr, count: usize, heard: &Heard) -> Result<(), Error> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().doing("start the listeners")?;
    runtime.block_on(async {
        let listening = (0..count).map(|_| async {
            if listener(address, heard).await.is_err() {
                heard.lost.fetch_add(1, Ordering::Relaxed);
            }
        });
        futures::future::join_all(listening).await;
    });
    Ok(())
}

async fn listener(address: SocketAddr, heard: &Heard) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(STREAM.as_bytes()).await?;
    let mut bytes = vec![0; 4096];
    let mut listens = false;
    while !heard.over.load(Ordering::Relaxed) {
        let read = tokio::time::timeout(Duration::from_millis(500), stream.read(&mut bytes)).await;
        let Ok(read) = read else { continue };
        let read = read?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if !listens {
            listens = true;
            heard.listening.fetch_add(1, Ordering::Relaxed);
        }
        let events = bytes[..read].windows(6).filter(|part| part == b"event:").count();
        heard.events.fetch_add(events as u64, Ordering::Relaxed);
    }
    Ok(())
}

/// How long a page takes, asked again and again.
fn look(selfheal: &Subject, heard: &Heard) -> Result<Times, Error> {
    let url = format!("http://{}{PAGE}", selfheal.address());
    let mut times = Times::default();
    while !heard.over.load(Ordering::Relaxed) {
        let asked = Instant::now();
        let answer = http::get(&url).doing("ask for a page of issues")?;
        if !answer.is_success() {
            return Err(Error::Server(format!("a page of issues was answered {}", answer.status)));
        }
        times.add(asked.elapsed());
        std::thread::sleep(LOOK);
    }
    Ok(times)
}

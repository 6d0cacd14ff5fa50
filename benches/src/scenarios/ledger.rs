//! The ledger's claims on Redis, beside a script that takes one lock and knows no limits, on the same server.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use redis::IntoConnectionInfo as _;
use redis::Script;
use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use selfheal_runtime::ports::{Claim, Ledger as _};
use selfheal_store::RedisLedger;
use selfheal_test_servers::Redis;
use tokio::runtime::Runtime;

use crate::error::{Error, While};
use crate::report::{self, Row};
use crate::scenarios::Bench;
use crate::statistics::median;

/// What the floor runs: a lock with a lease.
const LOCK: &str = "return redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', 60000)";
/// How long an operation may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Measures it with one claim at a time and with as many as there are connections in the other scenarios.
///
/// # Errors
/// Redis cannot be started or does not answer.
pub fn ledger(bench: &Bench) -> Result<Vec<Row>, Error> {
    let runtime = Runtime::new().doing("start threads")?;
    [1, bench.connections].into_iter().map(|together| measure(bench, &runtime, together)).collect()
}

fn measure(bench: &Bench, runtime: &Runtime, together: usize) -> Result<Row, Error> {
    let (mut floors, mut rates, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..bench.rounds {
        // Each turn has a server of its own: what was claimed before would be in the way.
        let floor = runtime.block_on(floor(bench, together))?;
        let rate = runtime.block_on(claims(bench, together))?;
        report::note(format!("{together} at once, round {round}: a lock {floor:.0}/s, a claim {rate:.0}/s"));
        floors.push(floor);
        rates.push(rate);
        ratios.push(rate / floor);
    }
    let at_once = if together == 1 { "one at a time".to_owned() } else { format!("{together} at once") };
    Ok(Row::new(
        format!("ledger on Redis, claims of one target, {at_once}"),
        format!("{:.0}/s", median(&rates)),
        format!("a script with one SET NX: {:.0}/s", median(&floors)),
        format!("{:.2}", median(&ratios)),
        "",
    ))
}

async fn floor(bench: &Bench, together: usize) -> Result<f64, Error> {
    let server = Redis::start()?;
    let refused = |error: redis::RedisError| Error::Server(error.to_string());
    let info = server.url().into_connection_info().map_err(refused)?;
    let info = info.set_tcp_settings(TcpSettings::default().set_nodelay(true));
    let client = redis::Client::open(info).map_err(refused)?;
    let connection = client.get_multiplexed_async_connection().await.map_err(refused)?;
    let script = Arc::new(Script::new(LOCK));
    rate(bench, together, |number| {
        let (script, mut connection): (_, MultiplexedConnection) = (Arc::clone(&script), connection.clone());
        async move {
            let taken: Result<Option<String>, _> =
                script.key(format!("lock:{number}")).arg(number).invoke_async(&mut connection).await;
            taken.map_err(refused).map(|taken| taken.is_some())
        }
    })
    .await
}

async fn claims(bench: &Bench, together: usize) -> Result<f64, Error> {
    let server = Redis::start()?;
    let connected = RedisLedger::connect(&server.url(), "bench", TIMEOUT);
    let ledger = Arc::new(connected.map_err(|fault| Error::Server(fault.to_string()))?);
    let refused = |fault: selfheal_runtime::ports::LedgerFault| Error::Server(fault.to_string());
    if let Some(memory) = ledger.lost().await.map_err(refused)? {
        ledger.restored(&memory).await.map_err(refused)?;
    }
    rate(bench, together, |number| {
        let ledger = Arc::clone(&ledger);
        async move {
            let reserved = ledger.reserve(&claim(number), Timestamp::UNIX_EPOCH).await;
            reserved.map_err(refused).map(|reserved| reserved.granted)
        }
    })
    .await
}

/// What the runtime claims for a plan that changes one target.
fn claim(number: u64) -> Claim {
    Claim {
        holder: format!("issue-{number}/1"),
        duplicate_key: format!("issue-{number}/rule"),
        targets: vec![format!("kubernetes:shop/deployment/checkout-{number}")],
        rule: "rule".to_owned(),
        cooldown: Duration::from_secs(300),
        per_target_max: 10,
        in_all_max: 100_000_000,
        rate_window: Duration::from_secs(3600),
        concurrent_max: 100_000_000,
        lease: Duration::from_secs(60),
    }
}

/// Grants a second over a turn, by so many who each ask for the next as soon as one is answered.
async fn rate<F>(bench: &Bench, together: usize, ask: impl Fn(u64) -> F + Sync) -> Result<f64, Error>
where
    F: Future<Output = Result<bool, Error>>,
{
    let (number, begun) = (AtomicU64::new(0), Instant::now());
    let one = async || {
        while begun.elapsed() < bench.seconds {
            let granted = ask(number.fetch_add(1, Ordering::Relaxed)).await?;
            if !granted {
                return Err(Error::Server("a claim that nothing stands against was not granted".to_owned()));
            }
        }
        Ok(())
    };
    futures::future::try_join_all((0..together).map(|_| one())).await?;
    Ok(number.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64())
}

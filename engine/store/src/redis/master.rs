//! The master that has the ledger's keys, and the one connection to it.
//!
//! One server, Sentinels or a cluster: all keys are on one server at a time, so one connection to that one is enough. It
//! is looked for when there is no connection, and whenever it says anything unexpected: it hangs, it is a replica now, it
//! refuses writes, the keys have moved. A server is used only after it was found fit (`health`).

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, RedisResult, Value, from_redis_value,
};

use super::address::{Kind, RedisAddress};
use super::health;
use super::trouble::Trouble;

/// The way to the master.
pub(super) struct Master {
    address: RedisAddress,
    /// A key whose slot all keys share.
    key: String,
    timeout: Duration,
    current: Mutex<Current>,
    /// Held by who looks for the master, so that one does.
    searching: tokio::sync::Mutex<()>,
}

/// The connection, and how many there were: who gives one up gives up no later one.
#[derive(Default)]
struct Current {
    number: u64,
    connection: Option<MultiplexedConnection>,
}

impl Master {
    pub(super) fn new(address: RedisAddress, key: String, timeout: Duration) -> Self {
        Self { address, key, timeout, current: Mutex::default(), searching: tokio::sync::Mutex::default() }
    }

    /// One operation on the master, within the time-out, which includes finding it. After a fault it is not known whether the
    /// operation took place.
    pub(super) async fn ask<T, F>(
        &self,
        operation: impl FnOnce(MultiplexedConnection) -> F,
    ) -> Result<T, Trouble>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let mut used = None;
        let asked = tokio::time::timeout(self.timeout, async {
            let (number, connection) = self.reach().await?;
            used = Some(number);
            operation(connection).await.map_err(Trouble::Redis)
        });
        let answer = asked.await.unwrap_or(Err(Trouble::Silent(self.timeout)));
        if let (Err(trouble), Some(number)) = (&answer, used)
            && trouble.parts()
        {
            self.part(number);
        }
        answer
    }

    /// Whether the master can be found, and is fit for use at the moment.
    pub(super) async fn check(&self) -> Result<(), Trouble> {
        let report = self.ask(health::ask).await?;
        let judged = health::judge(&report, &self.address.kind);
        if judged.is_err() {
            // Whoever asks next finds it unfit, or another one.
            self.current().connection = None;
        }
        judged
    }

    /// The connection to the master, which is looked for if there is none.
    async fn reach(&self) -> Result<(u64, MultiplexedConnection), Trouble> {
        if let Some(reached) = self.reached() {
            return Ok(reached);
        }
        let _searching = self.searching.lock().await;
        // Whoever was looking for it may have found it.
        if let Some(reached) = self.reached() {
            return Ok(reached);
        }
        let found = self.find().await?;
        let mut current = self.current();
        current.number += 1;
        current.connection = Some(found.clone());
        Ok((current.number, found))
    }

    fn reached(&self) -> Option<(u64, MultiplexedConnection)> {
        let current = self.current();
        current.connection.clone().map(|connection| (current.number, connection))
    }

    /// Gives up a connection, unless there is a later one.
    fn part(&self, number: u64) {
        let mut current = self.current();
        if current.number == number {
            current.connection = None;
        }
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        // A connection that is there can be used, whoever panicked meanwhile.
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks all who are known at once; the first who leads to a fit master is believed. One of them may hang, or not know
    /// yet of a fail-over.
    async fn find(&self) -> Result<MultiplexedConnection, Trouble> {
        let mut tries: FuturesUnordered<_> =
            self.address.known.iter().map(|known| self.find_by(known)).collect();
        let mut elsewhere = Vec::new();
        while let Some(tried) = tries.next().await {
            match tried {
                Ok(found) => return Ok(found),
                // It is the master: that the others are slower to say so changes nothing.
                Err(unfit @ Trouble::Unfit(_)) => return Err(unfit),
                Err(trouble) if self.address.known.len() == 1 => return Err(trouble),
                Err(trouble) => elsewhere.push(trouble.to_string()),
            }
        }
        Err(Trouble::Nowhere(elsewhere.join("; ")))
    }

    async fn find_by(&self, known: &ConnectionInfo) -> Result<MultiplexedConnection, Trouble> {
        let at = |trouble: Trouble| match trouble {
            Trouble::Unfit(_) => trouble,
            other => Trouble::Nowhere(format!("{}: {other}", known.addr())),
        };
        let master = match &self.address.kind {
            Kind::Single => return self.open_fit(known.clone()).await,
            Kind::Sentinel { service, .. } => self.ask_sentinel(known, service).await,
            Kind::Cluster => self.ask_node(known).await,
        };
        self.open_fit(master.map_err(at)?).await.map_err(at)
    }

    async fn ask_sentinel(&self, known: &ConnectionInfo, service: &str) -> Result<ConnectionInfo, Trouble> {
        let mut sentinel = self.open(known.clone()).await?;
        let named: Option<(String, u16)> = redis::cmd("SENTINEL")
            .arg("GET-MASTER-ADDR-BY-NAME")
            .arg(service)
            .query_async(&mut sentinel)
            .await?;
        let (host, port) =
            named.ok_or_else(|| Trouble::Nowhere(format!("this Sentinel knows no master {service:?}")))?;
        Ok(self.address.named(known, host, port))
    }

    async fn ask_node(&self, known: &ConnectionInfo) -> Result<ConnectionInfo, Trouble> {
        let mut node = self.open(known.clone()).await?;
        let (slot, slots): (i64, Value) = redis::pipe()
            .cmd("CLUSTER")
            .arg("KEYSLOT")
            .arg(&self.key)
            .cmd("CLUSTER")
            .arg("SLOTS")
            .query_async(&mut node)
            .await?;
        let (host, port) = master_of(slot, &slots)
            .ok_or_else(|| Trouble::Nowhere(format!("this node knows no master of slot {slot}")))?;
        let asked = match known.addr() {
            ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. } => host,
            _ => "",
        };
        // A node that has not been told its own address leaves it out.
        let host = if host.is_empty() || host == "?" { asked.to_owned() } else { host };
        Ok(self.address.named(known, host, port))
    }

    async fn open_fit(&self, info: ConnectionInfo) -> Result<MultiplexedConnection, Trouble> {
        let connection = self.open(info).await?;
        health::judge(&health::ask(connection.clone()).await?, &self.address.kind)?;
        Ok(connection)
    }

    async fn open(&self, info: ConnectionInfo) -> Result<MultiplexedConnection, Trouble> {
        let within = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.timeout))
            .set_response_timeout(Some(self.timeout));
        Ok(Client::open(info)?.get_multiplexed_async_connection_with_config(&within).await?)
    }
}

/// The master of a slot in an answer to `CLUSTER SLOTS`: of each range its first slot, its last, its master, its replicas.
fn master_of(slot: i64, slots: &Value) -> Option<(String, u16)> {
    let array = |value: &Value| match value {
        Value::Array(items) => items.clone(),
        _ => Vec::new(),
    };
    array(slots).iter().map(array).find_map(|range| match &range[..] {
        [Value::Int(first), Value::Int(last), master, ..] if (*first..=*last).contains(&slot) => {
            match &array(master)[..] {
                [host, Value::Int(port), ..] => Some((
                    from_redis_value::<Option<String>>(host.clone()).ok()?.unwrap_or_default(),
                    u16::try_from(*port).ok()?,
                )),
                _ => None,
            }
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_master_of_a_slot_is_the_first_node_of_its_range() {
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let node = |host: Value, port| Value::Array(vec![host, Value::Int(port), text("id")]);
        let range = |first, last, nodes: Vec<Value>| {
            Value::Array([Value::Int(first), Value::Int(last)].into_iter().chain(nodes).collect())
        };
        let slots = Value::Array(vec![
            range(0, 99, vec![node(text("a"), 7000), node(text("b"), 7001)]),
            range(100, 100, vec![node(Value::Nil, 7002)]),
            range(101, 102, vec![]),
        ]);
        let found = |host: &str, port| Some((host.to_owned(), port));
        let cases =
            [(0, found("a", 7000)), (99, found("a", 7000)), (100, found("", 7002)), (101, None), (103, None)];
        for (slot, expected) in cases {
            assert_eq!(master_of(slot, &slots), expected, "{slot}");
        }
        assert_eq!(master_of(0, &Value::Nil), None);
    }
}

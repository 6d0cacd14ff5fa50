//! A server that speaks the protocol and lies, or goes away in the middle.

use selfheal_contract::{FailureKind, Reading};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use crate::support::{Use, adapter, read};

/// Answers each command by its first word; `None` closes the connection.
async fn impostor(answer: fn(&str) -> Option<&'static str>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (reader, mut writer) = stream.split();
                let mut reader = BufReader::new(reader);
                while let Some(word) = command(&mut reader).await {
                    let Some(reply) = answer(&word) else { return };
                    if writer.write_all(reply.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    url
}

/// Reads one command and gives its first word.
async fn command(reader: &mut (impl AsyncBufReadExt + Unpin)) -> Option<String> {
    let mut words = Vec::new();
    for _ in 0..number(reader, '*').await? {
        let bytes = number(reader, '$').await?;
        let mut word = vec![0; bytes + 2];
        reader.read_exact(&mut word).await.ok()?;
        word.truncate(bytes);
        words.push(String::from_utf8_lossy(&word).into_owned());
    }
    words.into_iter().next()
}

async fn number(reader: &mut (impl AsyncBufReadExt + Unpin), sign: char) -> Option<usize> {
    let mut line = String::new();
    reader.read_line(&mut line).await.ok()?;
    line.trim_end().strip_prefix(sign)?.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_no_redis_gives_are_no_readings() {
    fn lies(word: &str) -> Option<&'static str> {
        Some(match word {
            "CLIENT" => ":7\r\n",
            "INFO" => "*1\r\n$1\r\nx\r\n",
            "TYPE" => "+list\r\n",
            "LLEN" => ":-3\r\n",
            "CONFIG" => "*2\r\n$9\r\nmaxmemory\r\n*0\r\n",
            _ => "+OK\r\n",
        })
    }
    let adapter = adapter(&impostor(lies).await);
    let nonsense = "what a Redis does not answer";
    for (probe, json, said) in [
        ("info", json!({}), nonsense),
        ("list_length", json!({ "key": "celery" }), "-3 entries"),
        ("config", json!({ "parameter": "maxmemory" }), nonsense),
    ] {
        let failure = read(&adapter, probe, json).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Refused, "{probe}: {failure}");
        assert!(failure.what.contains(said), "{probe}: {failure}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_that_are_not_there_are_inconclusive() {
    fn empty(word: &str) -> Option<&'static str> {
        Some(match word {
            "CLIENT" => ":7\r\n",
            "INFO" => "$0\r\n\r\n",
            "CONFIG" => "*0\r\n",
            _ => "+OK\r\n",
        })
    }
    let adapter = adapter(&impostor(empty).await);
    for (probe, json) in
        [("info", json!({})), ("memory", json!({})), ("config", json!({ "parameter": "maxmemory" }))]
    {
        let reading = read(&adapter, probe, json).await.unwrap();
        assert!(matches!(reading, Reading::Inconclusive(_)), "{probe}: {reading:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_lost_in_the_middle_of_a_change_leaves_it_open() {
    fn leaves(word: &str) -> Option<&'static str> {
        match word {
            "EVAL" | "TYPE" => None,
            "CLIENT" => Some(":7\r\n"),
            _ => Some("+PONG\r\n"),
        }
    }
    let adapter = adapter(&impostor(leaves).await);
    let used = Use::of(
        &adapter,
        "trim_list",
        json!({ "key": "celery", "keep": 1, "side": "head", "delete_max": 9 }),
    );
    let failure = used.apply(&json!({ "length": 5 })).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Indeterminate, "{failure}");
    assert_eq!(used.capture().await.unwrap_err().kind, FailureKind::Transient);
}

//! Redis starts, answers, hangs, stops and comes back.

use selfheal_test_servers::{Redis, RedisOptions, require};
use std::{
    io::{self, BufRead, BufReader, Write},
    net::TcpStream,
    time::Duration,
};

/// Sends an inline command and returns the first line of the answer.
fn ask(redis: &Redis, command: &str, within: Duration) -> io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", redis.port()))?;
    stream.set_read_timeout(Some(within))?;
    stream.write_all(format!("{command}\r\n").as_bytes())?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}

const LIMIT: Duration = Duration::from_secs(10);

#[test]
fn it_answers_stops_and_comes_back_empty() {
    let redis = require!(Redis::start());
    assert_eq!(redis.url(), format!("redis://127.0.0.1:{}/", redis.port()));
    assert_eq!(ask(&redis, "SET a 1", LIMIT).unwrap(), "+OK");
    for end in [Redis::stop, Redis::kill] {
        end(&redis);
        assert!(ask(&redis, "PING", LIMIT).is_err());
        assert!(!redis.is_running());
        redis.restart().unwrap();
        assert_eq!(ask(&redis, "GET a", LIMIT).unwrap(), "$-1");
    }
}

#[test]
fn a_paused_server_accepts_but_does_not_answer() {
    let redis = require!(Redis::start());
    redis.pause();
    assert!(redis.is_running());
    assert!(ask(&redis, "PING", Duration::from_millis(100)).is_err());
    redis.resume();
    assert_eq!(ask(&redis, "PING", LIMIT).unwrap(), "+PONG");
}

#[test]
fn further_arguments_win() {
    let args = ["--appendonly", "yes", "--requirepass", "secret"].map(str::to_owned).to_vec();
    let redis = require!(Redis::start_with(&RedisOptions { args }));
    assert!(ask(&redis, "GET a", LIMIT).unwrap().starts_with("-NOAUTH"));
    assert!(redis.path().join("appendonlydir").exists());
}

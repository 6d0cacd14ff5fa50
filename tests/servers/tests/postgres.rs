//! PostgreSQL starts, answers, hangs, crashes, comes back and leaves nothing behind.

use selfheal_test_servers::{Error, Postgres, PostgresOptions, require};
use std::{fs, path::Path};

fn one(value: &str) -> Vec<Vec<Option<String>>> {
    vec![vec![Some(value.to_owned())]]
}

#[test]
fn it_answers_and_keeps_its_data_over_restarts_and_crashes() {
    let postgres = require!(Postgres::start());
    assert_eq!(postgres.url(), format!("postgres://postgres@127.0.0.1:{}/postgres", postgres.port()));
    postgres.sql("create table t (n int); insert into t values (41)").unwrap();
    postgres.sql("update t set n = n + 1").unwrap();

    postgres.stop();
    assert!(!postgres.is_running());
    assert!(postgres.session("late").is_err());
    postgres.restart().unwrap();
    assert_eq!(postgres.sql("select n from t").unwrap(), one("42"));

    postgres.kill();
    postgres.restart().unwrap();
    assert_eq!(postgres.sql("select n from t").unwrap(), one("42"));

    let directory = postgres.path().to_owned();
    let pid = postgres.pid().unwrap();
    drop(postgres);
    assert!(!directory.exists());
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
}

#[test]
fn options_are_settings() {
    let options = PostgresOptions {
        max_connections: 17,
        settings: vec![("work_mem".to_owned(), "5MB".to_owned())],
        ..PostgresOptions::default()
    };
    let postgres = require!(Postgres::start_with(&options));
    for (setting, expected) in [
        ("max_connections", "17"),
        ("fsync", "off"),
        ("work_mem", "5MB"),
        ("listen_addresses", "127.0.0.1"),
        ("server_encoding", "UTF8"),
    ] {
        assert_eq!(postgres.sql(&format!("show {setting}")).unwrap(), one(expected), "{setting}");
    }
}

#[test]
fn sessions_idle_work_and_end() {
    let postgres = require!(Postgres::start());
    let mut idle = postgres.idle_sessions(5, "idler").unwrap();
    let count = "select count(*) from pg_stat_activity where application_name = 'idler' and state = 'idle'";
    assert_eq!(postgres.sql(count).unwrap(), one("5"));

    let victim = idle[0].pid();
    postgres.sql(&format!("select pg_terminate_backend({victim}, 5000)")).unwrap();
    assert_eq!(idle.iter_mut().map(|session| session.is_closed()).filter(|closed| *closed).count(), 1);

    idle[1].begin("select pg_sleep(60)").unwrap();
    let running =
        "select count(*) from pg_stat_activity where application_name = 'idler' and state = 'active'";
    selfheal_test_servers::wait_until("the query runs", std::time::Duration::from_secs(10), || {
        postgres.sql(running).unwrap() == one("1")
    });

    match postgres.sql("select 1; select nonsense") {
        Err(Error::Refused { reason, .. }) => assert!(reason.contains("nonsense"), "{reason}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(postgres.sql("select null, 1").unwrap(), [[None, Some("1".to_owned())]]);
}

#[test]
fn a_pause_reaches_every_backend() {
    let postgres = require!(Postgres::start());
    let mut session = postgres.session("paused").unwrap();
    postgres.pause();
    let stat = fs::read_to_string(format!("/proc/{}/stat", session.pid())).unwrap();
    assert!(stat.contains(") T "), "{stat}");
    session.begin("select 'after'").unwrap();
    postgres.resume();
    // The first answer is that of the query which was sent during the pause.
    assert_eq!(session.sql("select 'next'").unwrap(), one("after"));
}

#[test]
fn a_paused_server_ends_on_drop() {
    let postgres = require!(Postgres::start());
    let pid = postgres.pid().unwrap();
    postgres.pause();
    drop(postgres);
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
}

#[test]
fn a_server_that_does_not_start_says_why() {
    let settings = vec![("no_such_setting".to_owned(), "1".to_owned())];
    match Postgres::start_with(&PostgresOptions { settings, ..PostgresOptions::default() }) {
        Err(Error::Missing(missing)) => selfheal_test_servers::skip(&missing),
        Err(Error::Failed { log, .. }) => assert!(log.contains("no_such_setting"), "{log}"),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it started"),
    }
}

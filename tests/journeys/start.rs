//! A start without a database: what passes is waited for, and said; what does not pass ends the process with what to do.

use rustix::process::{Pid, Signal, kill_process};
use selfheal_test_servers::{Postgres, http, require, wait_until};
use serde_json::json;

use crate::selfheal::{PATIENCE, Selfheal, alert};

/// Not started yet, with a journal in this database.
fn prepare(postgres: &Postgres, user: &str, database: &str) -> Selfheal {
    let url = format!("postgres://{user}@127.0.0.1:{}/{database}?sslmode=disable", postgres.port());
    Selfheal::prepare(json!({ "journal": { "url": url } }), &[])
}

fn run(selfheal: &mut Selfheal) {
    let command = selfheal.command();
    selfheal.run(command);
}

#[test]
fn a_database_that_is_down_is_waited_for() {
    let postgres = require!(Postgres::start());
    postgres.kill();
    let [mut waiting, mut stopped] =
        [prepare(&postgres, "postgres", "postgres"), prepare(&postgres, "postgres", "postgres")];
    for selfheal in [&mut waiting, &mut stopped] {
        run(selfheal);
        wait_until("it says that it is not ready", PATIENCE, || {
            http::get(&selfheal.url("/ready"))
                .is_ok_and(|answer| answer.status == 503 && answer.body.contains("cannot be reached"))
        });
        assert_eq!(http::get(&selfheal.url("/health")).unwrap().status, 200);
        assert!(selfheal.log().contains("selfheal waits for it"), "{}", selfheal.log());
    }
    let one = || alert("Anything", "one", "2026-11-22T12:00:00Z");
    assert_eq!(waiting.send(&[one()]).unwrap().status, 503);

    let pid = Pid::from_raw(stopped.pid().try_into().unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    wait_until("it stops when it is told to", PATIENCE, || stopped.is_dead());
    assert!(stopped.log().contains("the journal was not reached"), "{}", stopped.log());

    postgres.restart().unwrap();
    waiting.wait_until_ready();
    assert_eq!(waiting.send(&[one()]).unwrap().status, 200);
}

#[test]
fn what_does_not_pass_ends_the_start() {
    let postgres = require!(Postgres::start());
    // As a later selfheal leaves it.
    postgres
        .sql(
            "CREATE TABLE schema_version (version bigint PRIMARY KEY, at timestamptz NOT NULL);
              INSERT INTO schema_version VALUES (1000, now())",
        )
        .unwrap();
    let cases = [
        ("nobody", "postgres", "check user and password in journal.url"),
        ("postgres", "nothing", "create the database"),
        ("postgres", "postgres", "use a newer selfheal"),
    ];
    for (user, database, expected) in cases {
        let mut selfheal = prepare(&postgres, user, database);
        run(&mut selfheal);
        wait_until("it ends", PATIENCE, || selfheal.is_dead());
        assert!(selfheal.log().contains(expected), "{}", selfheal.log());
    }
}

//! What happens when the server is stopped, hangs, restarts, is full or turns selfheal away.

mod support;

use std::time::Duration;

use selfheal_contract::{FailureKind, Reading};
use serde_json::{Value, json};
use support::{World, check, connect, intent, object};

fn main_target() -> Value {
    json!({ "database": "main" })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_down_or_hangs_is_a_passing_fault() {
    let quick = json!({ "connect_timeout": "300ms", "statement_timeout": "300ms" });
    let Some(world) = World::start_with(quick) else { return };
    let _app = world.client("app", "app").await;
    world.until_idle("app", 1.0).await;
    let action = world.action("terminate_idle");
    let params = object(json!({ "database": "main", "idle_for": "1s" }));
    let prior = action.capture(&params).await.unwrap();

    world.postgres.pause();
    for _ in 0..2 {
        let failure = world.read("connections", main_target()).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Transient, "{failure}");
    }
    let failure = action.apply(&params, &prior, &intent("a")).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Transient, "nothing had been sent: {failure}");
    world.postgres.resume();
    world.read("connections", main_target()).await.unwrap();

    world.postgres.stop();
    for failure in [
        world.read("connections", main_target()).await.unwrap_err(),
        action.apply(&params, &prior, &intent("a")).await.unwrap_err(),
        action.effect(&params, &prior, &intent("a")).await.unwrap_err(),
    ] {
        assert_eq!(failure.kind, FailureKind::Transient, "{failure}");
        assert!(failure.what.starts_with("PostgreSQL main: "), "{failure}");
    }
    world.postgres.restart().unwrap();
    world.read("connections", main_target()).await.unwrap();
    // Stopped and started without the adapter noticing in between.
    world.postgres.restart().unwrap();
    let applied = action.apply(&params, &prior, &intent("a")).await.unwrap();
    assert!(applied.summary.starts_with("ended 0 of 1"), "{}", applied.summary);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_whose_answer_is_lost_may_have_happened() {
    let Some(world) = World::start() else { return };
    let action = world.action("create_index_concurrently");
    let params = object(json!({ "database": "main", "table": "shop.Orders", "columns": ["customer"] }));
    let prior = action.capture(&params).await.unwrap();
    let blocker = world.client("app", "blocker").await;
    blocker.batch_execute("BEGIN; UPDATE shop.\"Orders\" SET customer = 1 WHERE id = 1").await.unwrap();
    let name = intent("a");
    let (applied, ()) = tokio::join!(action.apply(&params, &prior, &name), async {
        let building =
            "select count(*) from pg_stat_activity where state = 'active' and query like 'CREATE INDEX%'";
        world.until("the build runs", building, "1").await;
        world.postgres.kill();
    });
    let failure = applied.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Indeterminate, "{failure}");
    world.postgres.restart().unwrap();
    action.apply(&params, &prior, &name).await.unwrap();
    assert_eq!(world.value("select count(*) from pg_index where not indisvalid"), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_server_is_still_reached_by_the_connection_that_is_there() {
    let Some(world) = World::start() else { return };
    world.read("connections", main_target()).await.unwrap();
    let mut clients = Vec::new();
    let full = loop {
        match tokio_postgres::connect(
            &world.postgres.url().replace("postgres@", "app@"),
            tokio_postgres::NoTls,
        )
        .await
        {
            Ok((client, connection)) => {
                tokio::spawn(connection);
                clients.push(client);
            }
            Err(error) => break error,
        }
    };
    assert_eq!(full.code(), Some(&tokio_postgres::error::SqlState::TOO_MANY_CONNECTIONS));
    let reading = world.read("connections", main_target()).await.unwrap();
    assert_eq!((reading["share"].as_f64(), reading["max"].as_i64()), (Some(1.0), Some(147)), "{reading}");
    let late = connect(&world.postgres, "selfheal", json!({}));
    let failure = late.probes[0].read(&object(main_target())).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Transient, "{failure}");
    assert!(failure.what.contains("pg_use_reserved_connections"), "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_turned_away_is_told_why() {
    let Some(world) = World::start() else { return };
    let port = world.postgres.port();
    let target = |user: &str, database: &str, tls: &str| {
        json!({ "targets": { "main": {
            "host": "127.0.0.1", "port": port, "user": user, "database": database, "tls": tls, "password": "hunter2",
        } } })
    };
    let cases = [
        (target("nobody", "postgres", "disable"), FailureKind::Refused, "does not exist"),
        (target("selfheal", "nothing", "prefer"), FailureKind::Refused, "does not exist"),
        (target("selfheal", "postgres", "require"), FailureKind::Transient, "TLS"),
    ];
    for (section, kind, expected) in cases {
        let failure = check(section).unwrap().probes[0].read(&object(main_target())).await.unwrap_err();
        assert_eq!(failure.kind, kind, "{failure}");
        assert!(failure.what.contains(expected), "{failure}");
        assert!(!failure.what.contains("hunter2"), "{failure}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_tell_states_proves_nothing() {
    let Some(world) = World::start() else { return };
    let silent = world.client("app", "silent").await;
    world.postgres.sql("alter role app set track_activities = off").unwrap();
    let off = world.client("app", "off").await;
    for (probe, params) in [
        ("idle_connections", json!({ "database": "main", "idle_for": "1s" })),
        ("long_queries", json!({ "database": "main", "longer_than": "1s" })),
    ] {
        let reading = world.probe(probe).read(&object(params)).await.unwrap();
        assert!(
            matches!(&reading, Reading::Inconclusive(why) if why.contains("track_activities")),
            "{reading:?}"
        );
    }
    assert_eq!(world.read("connections", main_target()).await.unwrap()["unknown"], 1);
    drop((silent, off));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_questions_at_once_share_a_few_connections() {
    let Some(world) = World::start() else { return };
    let reads = (0..64).map(|_| world.read("connections", main_target()));
    let readings = futures::future::join_all(reads).await;
    assert!(readings.iter().all(Result::is_ok), "{readings:?}");
    let own = "select count(*) <= 4 from pg_stat_activity where application_name = 'selfheal'";
    assert_eq!(world.value(own), "t");
    // A connection whose answer nobody waited for is not used again.
    let _ = tokio::time::timeout(Duration::ZERO, world.read("connections", main_target())).await;
    world.read("connections", main_target()).await.unwrap();
}

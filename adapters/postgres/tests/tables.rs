//! VACUUM, indexes and what is read about tables, against a real server.

mod support;

use std::time::Duration;

use selfheal_contract::{Effect, Failure, FailureKind, Undone};
use serde_json::{Value, json};
use support::{World, connect, intent, object};

const INDEXES: &str = "select coalesce(string_agg(indexname, ',' order by indexname), '') from pg_indexes where schemaname = 'shop'";
const INVALID: &str = "select count(*) from pg_index where not indisvalid";

fn index(columns: Value) -> Value {
    json!({ "database": "main", "table": "shop.Orders", "columns": columns })
}

#[tokio::test(flavor = "multi_thread")]
async fn vacuum_clears_dead_rows_once() {
    let Some(world) = World::start() else { return };
    world.postgres.sql("alter table shop.\"Orders\" set (autovacuum_enabled = off)").unwrap();
    world.postgres.sql("delete from shop.\"Orders\" where id <= 2500").unwrap();
    let params = json!({ "database": "main", "table": "shop.Orders" });
    world
        .until(
            "the dead are counted",
            "select n_dead_tup from pg_stat_user_tables where relname = 'Orders'",
            "2500",
        )
        .await;
    let reading = world.read("table_bloat", params.clone()).await.unwrap();
    assert_eq!(reading["dead_share"], json!(0.5), "{reading}");
    assert_eq!(reading["last_vacuum_seconds"], Value::Null, "{reading}");

    let (action, params) = (world.action("vacuum_analyze"), object(params));
    let preview = action.preview(&params).await.unwrap();
    assert!(preview.summary.contains("2500 dead rows of 5000"), "{}", preview.summary);
    let prior = action.capture(&params).await.unwrap();
    assert_eq!(action.effect(&params, &prior, &intent("a")).await.unwrap(), Effect::Untouched);
    action.apply(&params, &prior, &intent("a")).await.unwrap();
    let reading = world.read("table_bloat", Value::Object(params.clone())).await.unwrap();
    assert_eq!(
        (reading["dead_tuples"].as_i64(), reading["live_tuples"].as_i64()),
        (Some(0), Some(2500)),
        "{reading}"
    );
    assert!(reading["last_vacuum_seconds"].as_f64().unwrap() < 60.0, "{reading}");
    assert!(matches!(action.effect(&params, &prior, &intent("a")).await.unwrap(), Effect::Done(_)));
    let applied = action.apply(&params, &prior, &intent("a")).await.unwrap();
    assert!(applied.summary.ends_with("already"), "{}", applied.summary);

    world.postgres.sql("alter table shop.\"Orders\" rename to old; create table shop.\"Orders\" (id int); alter table shop.\"Orders\" owner to app").unwrap();
    let failure = action.apply(&params, &prior, &intent("a")).await.unwrap_err();
    assert!(failure.what.contains("was replaced"), "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_that_were_reset_prove_nothing() {
    let Some(world) = World::start() else { return };
    world.postgres.sql("analyze shop.\"Orders\"").unwrap();
    world.postgres.sql("select pg_stat_reset()").unwrap();
    let params = object(json!({ "database": "main", "table": "shop.Orders" }));
    let reading = world.probe("table_bloat").read(&params).await.unwrap();
    assert!(matches!(reading, selfheal_contract::Reading::Inconclusive(_)), "{reading:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_comes_with_its_mark_and_goes_by_it() {
    let Some(world) = World::start() else { return };
    let action = world.action("create_index_concurrently");
    let params = object(index(json!(["customer", "odd \"; drop table x; --"])));
    assert!(action.assess(&params).unwrap().approval.unwrap().contains("schema"));
    let prior = action.capture(&params).await.unwrap();
    assert_eq!(
        action.undo(&params, &prior, &intent("a")).await.unwrap(),
        Undone::Nothing("shop.Orders has no index of this step".to_owned())
    );
    action.apply(&params, &prior, &intent("a")).await.unwrap();
    let name = prior["index_name"].as_str().unwrap();
    assert_eq!(world.value(INDEXES), name);
    let reading = world.read("index_exists", index(json!(["customer"]))).await.unwrap();
    assert_eq!((reading["exists"].as_bool(), reading["name"].as_str()), (Some(true), Some(name)));
    let failure = action.capture(&params).await.unwrap_err();
    assert!(failure.what.contains("has such an index already"), "{failure}");

    // Another step's undo leaves it; its own knows it by its mark.
    let other = action.undo(&params, &prior, &intent("b")).await.unwrap();
    assert!(matches!(other, Undone::Nothing(_)), "{other:?}");
    world
        .postgres
        .sql(&format!("alter index shop.\"{}\" rename to renamed", name.replace('"', "\"\"")))
        .unwrap();
    let undone = action.undo(&params, &prior, &intent("a")).await.unwrap();
    assert!(matches!(undone, Undone::Reversed(_)), "under any name: {undone:?}");
    assert_eq!(world.value(INDEXES), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_is_cut_short_is_taken_up_or_removed() {
    let Some(world) = World::start_with(json!({ "maintenance_timeout": "1s" })) else { return };
    let action = world.action("create_index_concurrently");
    let params = object(index(json!(["customer"])));
    for (name, again) in [("again", true), ("undone", false)] {
        let prior = action.capture(&params).await.unwrap();
        // An open transaction that wrote to the table keeps the build, and the removal of what it left, waiting.
        let blocker = world.client("app", "blocker").await;
        blocker.batch_execute("BEGIN; UPDATE shop.\"Orders\" SET customer = 1 WHERE id = 1").await.unwrap();
        let failure = action.apply(&params, &prior, &intent(name)).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Indeterminate, "{failure}");
        assert_eq!(world.value(INVALID), "1", "{failure}");
        assert_eq!(action.effect(&params, &prior, &intent(name)).await.unwrap(), Effect::Untouched);
        blocker.batch_execute("ROLLBACK").await.unwrap();
        if again {
            action.apply(&params, &prior, &intent(name)).await.unwrap();
            assert!(matches!(action.effect(&params, &prior, &intent(name)).await.unwrap(), Effect::Done(_)));
        }
        let undone = action.undo(&params, &prior, &intent(name)).await.unwrap();
        assert!(matches!(undone, Undone::Reversed(_)), "{undone:?}");
        assert_eq!((world.value(INVALID).as_str(), world.value(INDEXES).as_str()), ("0", ""));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_cannot_succeed_leaves_nothing() {
    let Some(world) = World::start() else { return };
    let text = "(select string_agg(md5(n::text), '') from generate_series(1, 500) n)";
    world
        .postgres
        .sql(&format!(
            "create table shop.texts (body text); alter table shop.texts owner to app;
             alter table shop.texts alter body set storage external; insert into shop.texts select {text}"
        ))
        .unwrap();
    let action = world.action("create_index_concurrently");
    let params = object(json!({ "database": "main", "table": "shop.texts", "columns": ["body"] }));
    let prior = action.capture(&params).await.unwrap();
    let failure = action.apply(&params, &prior, &intent("a")).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Refused, "{failure}");
    assert!(failure.what.contains("was removed"), "{failure}");
    assert_eq!(world.value(INVALID), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_nobody_waits_for_is_stopped() {
    let Some(world) = World::start() else { return };
    let action = world.action("create_index_concurrently");
    let params = object(index(json!(["customer"])));
    let prior = action.capture(&params).await.unwrap();
    let blocker = world.client("app", "blocker").await;
    blocker.batch_execute("BEGIN; UPDATE shop.\"Orders\" SET customer = 1 WHERE id = 1").await.unwrap();
    let name = intent("a");
    let applied =
        tokio::time::timeout(Duration::from_millis(500), action.apply(&params, &prior, &name)).await;
    assert!(applied.is_err(), "the build waits for the open transaction");
    let building =
        "select count(*) from pg_stat_activity where state = 'active' and query like 'CREATE INDEX%'";
    world.until("the build is cancelled", building, "0").await;
    blocker.batch_execute("ROLLBACK").await.unwrap();
    action.undo(&params, &prior, &intent("a")).await.unwrap();
    assert_eq!(world.value(INVALID), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_build_is_seen_and_stopped_by_the_undo() {
    let Some(world) = World::start() else { return };
    let action = world.action("create_index_concurrently");
    let params = object(index(json!(["customer"])));
    let prior = action.capture(&params).await.unwrap();
    let blocker = world.client("app", "blocker").await;
    blocker.batch_execute("BEGIN; UPDATE shop.\"Orders\" SET customer = 1 WHERE id = 1").await.unwrap();
    let name = intent("a");
    let (applied, undone) = tokio::join!(action.apply(&params, &prior, &name), async {
        let building =
            "select count(*) from pg_stat_activity where state = 'active' and query like 'CREATE INDEX%'";
        world.until("the build runs", building, "1").await;
        let still = action.effect(&params, &prior, &name).await.unwrap_err();
        assert_eq!(still.kind, FailureKind::Transient, "{still}");
        assert!(still.what.contains("still building"), "{still}");
        let again = action.apply(&params, &prior, &name).await.unwrap_err();
        assert_eq!(again.kind, FailureKind::Transient, "{again}");
        let undoing = action.undo(&params, &prior, &name);
        let releasing = async {
            world.until("the build is stopped", building, "0").await;
            blocker.batch_execute("ROLLBACK").await.unwrap();
        };
        tokio::join!(undoing, releasing).0
    });
    assert!(applied.is_err(), "{applied:?}");
    assert!(undone.is_ok(), "{undone:?}");
    assert_eq!((world.value(INVALID).as_str(), world.value(INDEXES).as_str()), ("0", ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_is_refused_with_the_reason() {
    let Some(world) = World::start() else { return };
    world
        .postgres
        .sql(
            "create view shop.v as select 1; create table shop.parts (id int) partition by range (id);
             alter table shop.parts owner to app; create table shop.admin (id int); create table shop.taken (id int);
             create schema closed; create table closed.t (id int); alter table closed.t owner to app;",
        )
        .unwrap();
    let long = "x".repeat(100_000);
    let table = |table: &str| json!({ "database": "main", "table": table });
    let with = |table: &str, columns: Value, name: Value| json!({ "database": "main", "table": table, "columns": columns, "name": name });
    let cases = [
        ("vacuum_analyze", table("shop.orders"), "there is no table shop.orders"),
        ("vacuum_analyze", table("shop.v"), "is no table"),
        ("vacuum_analyze", table("shop.parts"), "name one of its partitions"),
        ("vacuum_analyze", table("shop.admin"), "GRANT \"postgres\" TO \"selfheal\""),
        ("vacuum_analyze", table("pg_catalog.pg_class"), "PostgreSQL's own"),
        ("vacuum_analyze", table("x\"; drop table shop.\"Orders\"; --"), "there is no table"),
        ("vacuum_analyze", table("a\0b"), "control characters"),
        ("vacuum_analyze", table(&long), "has 100000 bytes"),
        ("vacuum_analyze", json!({ "database": long, "table": "x" }), "no PostgreSQL target is named"),
        ("create_index_concurrently", with("shop.Orders", json!(["nothing"]), json!(null)), "has no columns"),
        ("create_index_concurrently", with("shop.Orders", json!(["ctid"]), json!(null)), "has no columns"),
        (
            "create_index_concurrently",
            with("shop.Orders", json!(["lower(id)"]), json!(null)),
            "has no columns",
        ),
        ("create_index_concurrently", with("shop.Orders", json!([]), json!(null)), "1 to 8"),
        ("create_index_concurrently", with("shop.Orders", json!(["id"]), json!("taken")), "is taken"),
        (
            "create_index_concurrently",
            with("shop.Orders", json!(["id"]), json!("a\nb")),
            "control characters",
        ),
        ("create_index_concurrently", with("shop.admin", json!(["id"]), json!(null)), "may not index"),
        (
            "create_index_concurrently",
            with("closed.t", json!(["id"]), json!(null)),
            "GRANT CREATE ON SCHEMA \"closed\"",
        ),
    ];
    for (action, params, expected) in cases {
        let params = object(params);
        for failure in [
            world.action(action).capture(&params).await.unwrap_err(),
            world.action(action).preview(&params).await.unwrap_err(),
        ] {
            let Failure { kind, what } = failure;
            assert_eq!(kind, FailureKind::Refused, "{action}: {what}");
            assert!(what.contains(expected), "{action}: wanted {expected:?} in {what}");
            assert!(what.len() < 1000, "{action}: texts are bounded");
        }
    }
    assert_eq!(world.value("select count(*) from shop.\"Orders\""), "5000");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_somebody_works_on_is_left_for_later() {
    let Some(world) = World::start_with(json!({ "statement_timeout": "300ms" })) else { return };
    let admin = world.client("postgres", "admin").await;
    let params = object(json!({ "database": "main", "table": "shop.Orders" }));
    let action =
        connect(&world.postgres, "selfheal", json!({ "statement_timeout": "300ms" })).actions.swap_remove(2);
    let prior = action.capture(&params).await.unwrap();
    admin.batch_execute("BEGIN; LOCK TABLE shop.\"Orders\" IN SHARE UPDATE EXCLUSIVE MODE").await.unwrap();
    let failure = action.apply(&params, &prior, &intent("a")).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Transient, "{failure}");
    admin.batch_execute("ROLLBACK").await.unwrap();
    action.apply(&params, &prior, &intent("a")).await.unwrap();
}

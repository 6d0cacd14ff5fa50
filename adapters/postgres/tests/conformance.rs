//! The conformance kit over every action and every probe of the adapter.

mod support;

use selfheal_contract::conformance::{Observe, Trial, describe, try_action, try_probe};
use serde_json::{Value, json};
use support::{World, object};

/// What the superuser sees by these questions.
async fn look(world: &World, questions: &[&str]) -> Value {
    questions.iter().map(|sql| world.value(sql)).collect::<Vec<_>>().into()
}

const SESSIONS: &str = "select coalesce(string_agg(pid || state, ',' order by pid), '') from pg_stat_activity
    where application_name = 'app'";
const INDEXES: &str = "select coalesce(string_agg(indexdef, ',' order by indexname), '') from pg_indexes
    where schemaname = 'shop'";
const TENDED: &str = "select last_vacuum::text || last_analyze::text || n_dead_tup from pg_stat_user_tables
    where relname = 'Orders'";

async fn try_one(world: &World, name: &str, params: Value, questions: &'static [&'static str]) {
    let observe: &Observe<'_> = &|| Box::pin(look(world, questions));
    let trial = Trial { action: world.action(name), params: object(params), observe };
    try_action(&trial).await.expect("the action conforms");
}

#[test]
fn everything_is_documented() {
    let adapter = support::check(json!({})).unwrap();
    assert_eq!(describe(&adapter), Vec::<String>::new());
    assert_eq!((adapter.actions.len(), adapter.probes.len()), (4, 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn actions_conform() {
    let Some(world) = World::start() else { return };
    let _apps = world.clients(3, "app", "app").await;
    world.until_idle("app", 1.0).await;
    try_one(&world, "terminate_idle", json!({ "database": "main", "idle_for": "1s" }), &[SESSIONS]).await;

    let busy = world.client("app", "app").await;
    let work = tokio::spawn(async move {
        let ended = busy.batch_execute("SELECT pg_sleep(60)").await;
        (busy, ended)
    });
    let long = "select count(*) from pg_stat_activity where application_name = 'app' and state = 'active'
        and clock_timestamp() - query_start > '1s'";
    world.until("the query is long", long, "1").await;
    try_one(&world, "cancel_query", json!({ "database": "main", "longer_than": "1s" }), &[SESSIONS]).await;
    assert!(work.await.unwrap().1.is_err());

    try_one(&world, "vacuum_analyze", json!({ "database": "main", "table": "shop.Orders" }), &[TENDED]).await;
    let index =
        json!({ "database": "main", "table": "shop.Orders", "columns": ["customer"], "name": "by customer" });
    try_one(&world, "create_index_concurrently", index, &[INDEXES]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_conform() {
    let Some(world) = World::start() else { return };
    let _apps = world.clients(3, "app", "app").await;
    let observe: &Observe<'_> = &|| Box::pin(look(&world, &[SESSIONS, INDEXES, TENDED]));
    for (probe, params) in [
        ("connections", json!({ "database": "main" })),
        ("idle_connections", json!({ "database": "main", "idle_for": "1s" })),
        ("long_queries", json!({ "database": "main", "longer_than": "1s" })),
        ("table_bloat", json!({ "database": "main", "table": "shop.Orders" })),
        ("index_exists", json!({ "database": "main", "table": "shop.Orders", "columns": ["customer"] })),
    ] {
        try_probe(world.probe(probe), &object(params), observe).await.unwrap();
    }
}

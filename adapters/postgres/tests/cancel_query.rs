//! `pg::cancel_query` and `pg::long_queries` against a real server.

mod support;

use selfheal_contract::Effect;
use serde_json::{Value, json};
use support::{World, intent, object};

const LONG: &str = "SELECT pg_sleep(60), 'hunter2'";

fn running(application: &str, seconds: u32) -> String {
    format!(
        "select count(*) from pg_stat_activity where application_name = '{application}' and state = 'active'
         and clock_timestamp() - query_start > '{seconds}s'"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_captured_query_is_cancelled() {
    let Some(world) = World::start() else { return };
    let app = world.client("app", "app").await;
    let work = tokio::spawn(async move {
        let cancelled = app.batch_execute(LONG).await;
        (app, cancelled)
    });
    let admin = world.client("postgres", "admin").await;
    let admin_work = tokio::spawn(async move { admin.batch_execute(LONG).await });
    world.until("the query is long", &running("app", 1), "1").await;
    world.until("the other is long", &running("admin", 1), "1").await;

    let params = object(json!({ "database": "main", "longer_than": "1s" }));
    let reading = world.read("long_queries", Value::Object(params.clone())).await.unwrap();
    assert_eq!((reading["count"].as_i64(), reading["cancellable"].as_i64()), (Some(2), Some(1)), "{reading}");
    assert!(reading["longest_seconds"].as_f64().unwrap() >= 1.0, "{reading}");
    assert!(!reading.to_string().contains("hunter2"), "{reading}");

    let action = world.action("cancel_query");
    let prior = action.capture(&params).await.unwrap();
    assert_eq!(prior["queries"].as_array().unwrap().len(), 1, "{prior}");
    // The captured query ends by other means, and the same session begins another.
    let end = "select pg_cancel_backend(pid) from pg_stat_activity where application_name = 'app'";
    assert_eq!(world.value(end), "t");
    let (app, cancelled) = work.await.unwrap();
    assert!(cancelled.is_err());
    let work = tokio::spawn(async move { app.batch_execute(LONG).await });
    world.until("the next query is long", &running("app", 1), "1").await;
    let applied = action.apply(&params, &prior, &intent("a")).await.unwrap();
    assert!(applied.summary.starts_with("ended 0 of 1"), "{}", applied.summary);
    assert!(matches!(action.effect(&params, &prior, &intent("a")).await.unwrap(), Effect::Done(_)));
    assert_eq!(world.value(&running("app", 1)), "1", "a later query is another query");

    let prior = action.capture(&params).await.unwrap();
    assert_eq!(action.effect(&params, &prior, &intent("b")).await.unwrap(), Effect::Untouched);
    let preview = action.preview(&params).await.unwrap();
    assert!(preview.changes[0].from.to_string().contains("pg_sleep"), "{preview:?}");
    assert!(!format!("{preview:?}").contains("hunter2"), "{preview:?}");
    let applied = action.apply(&params, &prior, &intent("b")).await.unwrap();
    assert!(applied.summary.starts_with("ended 1 of 1"), "{}", applied.summary);
    let answer = work.await.unwrap().unwrap_err();
    assert_eq!(answer.code(), Some(&tokio_postgres::error::SqlState::QUERY_CANCELED));
    assert_eq!(world.value(&running("app", 0)), "0");
    assert_eq!(world.value(&running("admin", 1)), "1", "a superuser's query stays");
    admin_work.abort();
}

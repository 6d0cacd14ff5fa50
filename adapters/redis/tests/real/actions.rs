//! What the kit cannot know: what each action and probe does in the situations that it meets.

use selfheal_contract::{Effect, FailureKind, Reading, Undone};
use selfheal_test_servers::{Port, Redis, RedisOptions, require, wait_until};
use serde_json::{Value, json};
use std::time::Duration;

use crate::support::{Shell, Use, adapter, idler, read};

fn field(reading: &Reading, name: &str) -> Value {
    reading.field(name).unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_read_what_is_there() {
    let redis = require!(Redis::start());
    let (shell, adapter) = (Shell::open(&redis.url()), adapter(&redis.url()));
    shell.run::<()>("RPUSH celery a b c");
    shell.run::<()>("SET text x");

    let memory = read(&adapter, "memory", json!({})).await.unwrap();
    assert_eq!((field(&memory, "max_bytes"), field(&memory, "share")), (json!(0), Value::Null));
    shell.run::<()>("CONFIG SET maxmemory 100mb");
    let memory = read(&adapter, "memory", json!({})).await.unwrap();
    let share = field(&memory, "share").as_f64().unwrap();
    assert!(share > 0.0 && share < 0.5, "{share}");

    let length = async |key: &str| read(&adapter, "list_length", json!({ "key": key })).await.unwrap();
    assert_eq!(length("celery").await, Reading::Known(json!({ "length": 3 })));
    assert_eq!(length("missing").await, Reading::Known(json!({ "length": 0 })));
    assert!(matches!(length("text").await, Reading::Inconclusive(why) if why.contains("a string")));

    let key = read(&adapter, "key", json!({ "key": "missing" })).await.unwrap();
    assert_eq!(
        key,
        Reading::Known(json!({ "exists": false, "type": "none", "memory_bytes": 0, "ttl_seconds": null }))
    );

    let value = async |name: &str| {
        field(&read(&adapter, "config", json!({ "parameter": name })).await.unwrap(), "value")
    };
    assert_eq!(value("maxmemory").await, json!(104_857_600));
    assert_eq!(value("maxmemory-policy").await, json!("noeviction"));
    let refused = read(&adapter, "config", json!({ "parameter": "requirepass" })).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Refused);

    let info = read(&adapter, "info", json!({})).await.unwrap();
    assert_eq!(field(&info, "role"), json!("master"));
    let _one = idler(&redis.url(), "one");
    let clients = read(&adapter, "clients", json!({})).await.unwrap();
    assert!(field(&clients, "share").as_f64().is_some_and(|share| share > 0.0 && share < 1.0), "{clients:?}");
    assert_eq!(field(&clients, "count"), json!(3), "the adapter, the test and the idler");
    assert_eq!(field(&clients, "idle_longest_id"), json!(shell.clients("one")[0]), "neither of the others");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parameter_that_somebody_else_sets_is_left_alone() {
    let redis = require!(Redis::start());
    let (shell, adapter) = (Shell::open(&redis.url()), adapter(&redis.url()));
    let set = Use::of(&adapter, "config_set", json!({ "parameter": "hz", "value": "20" }));

    let prior = set.capture().await.unwrap();
    shell.run::<()>("CONFIG SET hz 30");
    assert_eq!(set.apply(&prior).await.unwrap_err().kind, FailureKind::Refused);
    assert!(matches!(set.effect(&prior).await.unwrap(), Effect::Unclear(_)));
    assert_eq!(shell.config("hz"), "30");

    let prior = set.capture().await.unwrap();
    set.apply(&prior).await.unwrap();
    shell.run::<()>("CONFIG SET hz 40");
    assert!(matches!(set.undo(&prior).await.unwrap(), Undone::Nothing(_)));
    assert_eq!(shell.config("hz"), "40");
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_are_bounded() {
    let redis = require!(Redis::start());
    let (shell, adapter) = (Shell::open(&redis.url()), adapter(&redis.url()));
    let set = |parameter: &str, value: &str| {
        Use::of(&adapter, "config_set", json!({ "parameter": parameter, "value": value }))
    };
    for (parameter, value, expected) in [
        ("maxclients", "5", "adapters.redis.settable"),
        ("dir", "/etc", "knows no parameter"),
        ("maxmemory", "much", "expected an amount"),
        ("maxmemory-policy", "lru", "expected noeviction"),
    ] {
        let failure = set(parameter, value).approval().unwrap_err();
        assert_eq!(failure.kind, FailureKind::Refused);
        assert!(failure.what.contains(expected), "{failure}");
    }
    assert_eq!(set("maxmemory-policy", "volatile-lru").approval().unwrap(), None);
    assert!(set("maxmemory-policy", "allkeys-lru").approval().unwrap().is_some());

    let too_little = set("maxmemory", "100kb");
    assert!(too_little.preview().await.unwrap_err().what.contains("delete keys"));
    assert!(too_little.capture().await.is_err());
    let prior = set("maxmemory", "1gb").capture().await.unwrap();
    assert!(too_little.apply(&prior).await.is_err());
    assert_eq!(shell.config("maxmemory"), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expiry_is_only_brought_forward_and_given_back_while_the_key_is_there() {
    let redis = require!(Redis::start());
    let (shell, adapter) = (Shell::open(&redis.url()), adapter(&redis.url()));
    let expire = |key: &str, ttl: &str| Use::of(&adapter, "expire_key", json!({ "key": key, "ttl": ttl }));

    assert!(expire("cache:none", "1m").capture().await.unwrap_err().what.contains("there is no key"));
    assert!(expire("other", "1m").approval().unwrap_err().what.contains("adapters.redis.expirable"));
    assert!(expire("cache:a", "999ms").approval().is_err());

    shell.run::<()>("SET cache:a x PX 60000");
    let sooner = expire("cache:a", "1h");
    let prior = sooner.capture().await.unwrap();
    sooner.apply(&prior).await.unwrap();
    assert!(matches!(sooner.undo(&prior).await.unwrap(), Undone::Nothing(_)));
    assert!(shell.run::<i64>("PTTL cache:a") <= 60_000);

    shell.run::<()>("SET cache:b x");
    let soon = expire("cache:b", "1h");
    let prior = soon.capture().await.unwrap();
    shell.run::<()>("PEXPIRE cache:b 5000000");
    assert_eq!(soon.apply(&prior).await.unwrap_err().kind, FailureKind::Refused);
    assert!(matches!(soon.effect(&prior).await.unwrap(), Effect::Unclear(_)));

    // It was removed by somebody else: nothing to do and nothing to undo.
    shell.run::<()>("DEL cache:b");
    assert_eq!(soon.effect(&prior).await.unwrap(), Effect::Untouched);
    soon.apply(&prior).await.unwrap();
    assert!(matches!(soon.undo(&prior).await.unwrap(), Undone::Nothing(_)));

    shell.run::<()>("SET cache:c x");
    let now = expire("cache:c", "1s");
    let prior = now.capture().await.unwrap();
    now.apply(&prior).await.unwrap();
    wait_until("the key has expired", Duration::from_secs(10), || shell.run::<i64>("EXISTS cache:c") == 0);
    assert!(matches!(now.effect(&prior).await.unwrap(), Effect::Done(_)));
    assert_eq!(now.undo(&prior).await.unwrap(), Undone::Irreversible);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trim_never_deletes_more_than_was_agreed() {
    let redis = require!(Redis::start());
    let (shell, adapter) = (Shell::open(&redis.url()), adapter(&redis.url()));
    let trim = |key: &str, most: Value| {
        let json = json!({ "key": key, "keep": 10, "side": "head", "delete_max": most });
        Use::of(&adapter, "trim_list", json)
    };
    assert!(trim("celery", Value::Null).approval().unwrap().is_some());
    assert!(trim("celery", json!(1001)).approval().unwrap().is_some());
    assert_eq!(trim("celery", json!(1000)).approval().unwrap(), None);
    assert!(trim("other", json!(5)).approval().unwrap_err().what.contains("adapters.redis.trimmable"));

    shell.fill("celery", 30);
    let small = trim("celery", json!(20));
    let prior = small.capture().await.unwrap();
    shell.fill("celery", 1);
    let failure = small.apply(&prior).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Refused);
    assert!(failure.what.contains("delete_max is 20"), "{failure}");
    assert_eq!(shell.run::<u64>("LLEN celery"), 31);
    assert!(small.preview().await.is_err() && small.capture().await.is_err());

    shell.run::<()>("LTRIM celery 0 14");
    assert!(matches!(small.effect(&prior).await.unwrap(), Effect::Unclear(_)), "15 of 30, and 10 were to be");
    shell.run::<()>("SET q:text x");
    assert!(trim("q:text", json!(5)).capture().await.unwrap_err().what.contains("no list"));
    let missing = trim("q:missing", json!(5));
    let prior = missing.capture().await.unwrap();
    assert!(missing.apply(&prior).await.unwrap().summary.contains("nothing to trim"));
}

/// A queue that has filled up again since looks as if it had not been trimmed.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_was_filled_again_is_not_trimmed_again() {
    let alone = require!(Redis::start());
    let bus = Port::reserve().unwrap();
    let args = ["--cluster-enabled", "yes", "--cluster-port"].map(str::to_owned).into_iter();
    let args = args.chain([bus.number().to_string()]).collect();
    let node = require!(Redis::start_with(&RedisOptions { args }));
    let shell = Shell::open(&node.url());
    let slots: Vec<String> = (0..16384).map(|slot: u16| slot.to_string()).collect();
    shell.run::<()>(&format!("CLUSTER ADDSLOTS {}", slots.join(" ")));
    wait_until("the node serves all slots", Duration::from_secs(20), || {
        shell.run::<String>("CLUSTER INFO").contains("cluster_state:ok")
    });
    let trim = |key: &str| json!({ "key": key, "keep": 10, "side": "head", "delete_max": 20 });
    for (redis, key) in [
        (&alone, "celery"),
        (&alone, "q:a}b"),
        (&node, "celery"),
        (&node, "q:{shop}:jobs"),
        (&node, "q:}{shop}"),
        (&node, "q:{shop"),
    ] {
        let (shell, adapter) = (Shell::open(&redis.url()), adapter(&redis.url()));
        let used = Use::of(&adapter, "trim_list", trim(key));
        shell.fill(key, 30);
        let prior = used.capture().await.unwrap();
        assert_eq!(used.effect(&prior).await.unwrap(), Effect::Untouched);
        used.apply(&prior).await.unwrap();
        shell.fill(key, 20);
        let effect = used.effect(&prior).await.unwrap();
        assert!(
            matches!(&effect, Effect::Done(done) if done.summary.starts_with("20 entries")),
            "{effect:?}"
        );
        let again = used.apply(&prior).await.unwrap();
        assert_eq!(again.facts["deleted"], 0, "{}", again.summary);
        assert_eq!(shell.run::<u64>(&format!("LLEN {key}")), 30);
        let mark = shell.run::<Vec<String>>("KEYS selfheal:*").pop().unwrap();
        assert!(shell.run::<i64>(&format!("TTL {mark}")) > 0);
        shell.run::<()>(&format!("DEL {mark}"));
    }

    // No name but its own is in the slot of such a key: nothing is deleted that could not be marked.
    let adapter = adapter(&node.url());
    let used = Use::of(&adapter, "trim_list", trim("q:a}b"));
    shell.fill("q:a}b", 30);
    let prior = used.capture().await.unwrap();
    let failure = used.apply(&prior).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Refused, "{failure}");
    assert_eq!(shell.run::<u64>("LLEN q:a}b"), 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_does_not_take_memory_that_is_in_use() {
    let redis = require!(Redis::start());
    let (shell, adapter) = (Shell::open(&redis.url()), adapter(&redis.url()));
    shell.run::<()>("CONFIG SET maxmemory 10mb");
    let set = Use::of(&adapter, "config_set", json!({ "parameter": "maxmemory", "value": "100mb" }));
    let prior = set.capture().await.unwrap();
    set.apply(&prior).await.unwrap();
    // In pieces, so that the server keeps no large buffer for the connection.
    let piece = "x".repeat(100_000);
    (0..110).for_each(|number| shell.run::<()>(&format!("SET filling:{number} {piece}")));
    let failure = set.undo(&prior).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Refused, "{failure}");
    assert!(failure.what.contains("104857600 stays"), "{failure}");
    assert_eq!(shell.config("maxmemory"), "104857600");
    shell.run::<()>("FLUSHALL");
    assert!(matches!(set.undo(&prior).await.unwrap(), Undone::Reversed(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_server_can_still_be_healed() {
    let args = ["--maxmemory", "3mb", "--maxmemory-policy", "noeviction"].map(str::to_owned).to_vec();
    let redis = require!(Redis::start_with(&RedisOptions { args }));
    let (shell, adapter) = (Shell::open(&redis.url()), adapter(&redis.url()));
    shell.fill("celery", 500);
    shell.run::<()>("SET cache:a x");
    let entry = "x".repeat(100_000);
    let client = redis::Client::open(redis.url()).unwrap();
    let mut connection = client.get_connection().unwrap();
    let full = (0..1000)
        .map(|number| redis::cmd("SET").arg(number).arg(&entry).exec(&mut connection))
        .find_map(Result::err)
        .unwrap();
    assert_eq!(full.code(), Some("OOM"));

    for (probe, json) in [
        ("info", json!({})),
        ("memory", json!({})),
        ("clients", json!({})),
        ("list_length", json!({ "key": "celery" })),
        ("key", json!({ "key": "cache:a" })),
        ("config", json!({ "parameter": "maxmemory" })),
    ] {
        let reading = read(&adapter, probe, json).await.unwrap();
        assert!(matches!(reading, Reading::Known(_)), "{probe}: {reading:?}");
    }
    let _victim = idler(&redis.url(), "victim");
    for (action, json) in [
        ("kill_client", json!({ "id": shell.clients("victim")[0] })),
        ("trim_list", json!({ "key": "celery", "keep": 10, "side": "tail", "delete_max": 490 })),
        ("expire_key", json!({ "key": "cache:a", "ttl": "1s" })),
        ("config_set", json!({ "parameter": "maxmemory", "value": "50mb" })),
    ] {
        let used = Use::of(&adapter, action, json);
        let prior = used.capture().await.unwrap();
        used.apply(&prior).await.unwrap();
        assert!(matches!(used.effect(&prior).await.unwrap(), Effect::Done(_)), "{action}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_ordinary_clients_that_are_still_the_same_are_ended() {
    let redis = require!(Redis::start());
    let (shell, adapter) = (Shell::open(&redis.url()), adapter(&redis.url()));
    let kill = |id: u64| Use::of(&adapter, "kill_client", json!({ "id": id }));

    let own = read(&adapter, "clients", json!({})).await.map(|_| shell.clients("selfheal")[0]).unwrap();
    assert!(kill(own).capture().await.unwrap_err().what.contains("selfheal's own"));
    let mut subscriber = idler(&redis.url(), "subscriber");
    subscriber.as_pubsub().subscribe("news").unwrap();
    // Dropping the subscription would end it; so it subscribes anew without a guard.
    redis::cmd("SUBSCRIBE").arg("news").exec(&mut subscriber).unwrap();
    assert!(kill(shell.clients("subscriber")[0]).capture().await.unwrap_err().what.contains("subscriber"));
    assert!(kill(999_999).capture().await.unwrap_err().what.contains("is not there"));

    let _victim = idler(&redis.url(), "victim");
    let used = kill(shell.clients("victim")[0]);
    let mut prior = used.capture().await.unwrap();
    prior["addr"] = json!("127.0.0.1:1");
    used.apply(&prior).await.unwrap();
    assert_eq!(shell.clients("victim").len(), 1, "another address is another client");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_client_that_woke_up_is_spared() {
    let redis = require!(Redis::start());
    let (shell, adapter) = (Shell::open(&redis.url()), adapter(&redis.url()));
    let mut woken = idler(&redis.url(), "woken");
    let mut worker = idler(&redis.url(), "worker");
    let url = redis.url();
    let blocked = std::thread::spawn(move || redis::cmd("BRPOP").arg("queue").arg(0).exec(&mut worker));
    wait_until("both look idle", Duration::from_secs(10), || {
        let list: String = shell.run("CLIENT LIST");
        let is_idle = |name: &str| {
            list.lines().any(|line| line.contains(&format!(" name={name} ")) && !line.contains(" idle=0 "))
        };
        is_idle("woken") && is_idle("worker")
    });
    let used = Use::of(&adapter, "kill_idle_clients", json!({ "idle_for": "1s" }));
    let prior = used.capture().await.unwrap();
    assert_eq!(prior["clients"].as_array().map(Vec::len), Some(1), "a blocked worker is not idle: {prior}");

    redis::cmd("PING").exec(&mut woken).unwrap();
    used.apply(&prior).await.unwrap();
    assert_eq!((shell.clients("woken").len(), shell.clients("worker").len()), (1, 1), "at {url}");
    shell.run::<()>("LPUSH queue done");
    blocked.join().unwrap().unwrap();
}

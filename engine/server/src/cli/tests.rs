//! Commands as they are typed, against a real server and without one.

use std::net::SocketAddr;
use std::path::Path;

use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::{App, HttpResponse, HttpServer, web};
use clap::Parser as _;
use selfheal_runtime::ports::Journal as _;
use selfheal_runtime::ports::journal::{Record, Write};
use selfheal_store::SqliteJournal;
use serde_json::{Value, json};

use super::{Arguments, Exit, Failure, execute, not_served};
use crate::assemble::AssembleFault;
use crate::http::tests::support::{HEAL, House, Plan, firing, token_of, tokens};
use crate::serve::ServeFault;

/// Runs a command; gives its end and what it wrote.
async fn typed(words: &[&str]) -> (Result<Exit, Failure>, String) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let arguments = Arguments::try_parse_from(std::iter::once(&"selfheal").chain(words)).unwrap();
    let mut out = Vec::new();
    let ended = execute(arguments, &mut out).await;
    (ended, String::from_utf8(out).unwrap())
}

/// Runs a command that must end so, and must say this.
async fn check(words: &[&str], exit: Exit, part: &str) -> String {
    let (ended, out) = typed(words).await;
    let (found, told) = match &ended {
        Ok(exit) => (*exit, out.clone()),
        Err(failure) => (failure.exit, failure.text.clone()),
    };
    assert_eq!(found, exit, "{words:?}: {told}");
    assert!(told.contains(part), "{words:?} says\n{told}\nand not {part:?}");
    out
}

struct Served {
    house: House,
    url: String,
    handle: ServerHandle,
}

async fn serve(plan: Plan) -> Served {
    let house = House::build(plan).await;
    let (address, handle) = house.serve();
    let address: SocketAddr = address;
    Served { house, url: format!("http://{address}"), handle }
}

#[actix_web::test]
async fn what_people_ask_a_server() {
    let served = serve(Plan { tokens: tokens(), ..Plan::default() }).await;
    let admin = token_of("admin");
    let at = ["--server", served.url.as_str(), "--token", admin.as_str()];
    let with = |words: &[&'static str]| -> Vec<String> {
        words.iter().chain(&at).map(|word| (*word).to_owned()).collect()
    };
    served.house.notify(firing("Broken", "a").to_string()).await;
    served.house.notify(firing("Delicate", "b").to_string()).await;
    served.house.rest().await;
    let cases: [(&[&'static str], Exit, &str); 41] = [
        (&["issues", "list"], Exit::Good, "issue-1  "),
        (&["issues", "list", "--outcome", "applied"], Exit::Good, "heal"),
        (&["issues", "list", "--open=false"], Exit::Good, "ID  DETECTED"),
        (
            &["issues", "list", "--severity", "error", "--since", "1h", "--resource", "B"],
            Exit::Good,
            "issue-2  ",
        ),
        (&["issues", "list", "--text", "delicate", "--output", "json"], Exit::Good, "issue-2"),
        (&["issues", "list", "--severity", "low", "--output", "json"], Exit::Good, "[]"),
        (&["issues", "list", "--namespace", "shop", "--output", "json"], Exit::Good, "[]"),
        (&["issues", "show", "1"], Exit::Good, "received  selfheal  alert Broken about job/a"),
        (&["issues", "show", "issue-1"], Exit::Good, "fake.note at fake/a: done"),
        (&["issues", "show", "99"], Exit::Findings, "there is no issue-99"),
        (&["explain", "1"], Exit::Good, "issue-1: Broken about job/a fires, since"),
        (&["explain", "issue-2"], Exit::Good, "waits for approval until"),
        (&["explain", "issue-2", "--output", "json"], Exit::Good, "selfheal approvals grant "),
        (&["explain", "99"], Exit::Findings, "there is no issue-99"),
        (&["report", "1"], Exit::Good, "# issue-1: Broken at job/a"),
        (&["report", "99"], Exit::Findings, "there is no issue-99"),
        (&["remediations", "list"], Exit::Good, "remediation-1-1  "),
        (&["remediations", "list", "--issue", "2", "--output", "json"], Exit::Good, "[]"),
        (&["remediations", "list", "--resource", "A", "--rule", "heal"], Exit::Good, "job/a"),
        (&["remediations", "list", "--since", "2030-01-01T00:00:00Z", "--output", "json"], Exit::Good, "[]"),
        (&["remediations", "show", "remediation-1-1"], Exit::Good, "fake.note  fake/a  done"),
        (&["remediations", "show", "remediation-9-1"], Exit::Findings, "there is no remediation-9-1"),
        (&["issues", "acknowledge", "1", "--reason", "mine"], Exit::Good, "issue-1: you have it in hand"),
        (&["explain", "1"], Exit::Good, "admin has taken it in hand at"),
        (&["remediations", "rollback", "remediation-1-1"], Exit::Good, "remediation-1-1: "),
        (&["remediations", "rollback", "remediation-9-9"], Exit::Findings, "there is no remediation-9-9"),
        (&["rules", "list"], Exit::Good, "generation 1"),
        (&["rules", "release", "heal"], Exit::Good, "heal: the rule goes on for an hour"),
        (&["rules", "release", "nothing"], Exit::Findings, "there is no rule"),
        (&["ready"], Exit::Good, "ready"),
        (&["silences", "list"], Exit::Good, "ISSUE  UNTIL"),
        (&["silences", "add", "1", "--for", "2h"], Exit::Findings, "set alertmanager.urls"),
        (&["silences", "end", "issue-1"], Exit::Findings, "no Alertmanager is configured"),
        (&["switch", "show"], Exit::Good, "automatic remediation is on"),
        (&["switch", "off", "--reason", "a release"], Exit::Good, "is off; admin turned it off"),
        (&["switch", "on", "--reason", "it is over"], Exit::Good, "is on; admin turned it on"),
        (&["approvals", "list"], Exit::Good, "open   issue-2  Delicate  job/b"),
        (
            &["issues", "remediate", "1", "--reason", "again"],
            Exit::Good,
            "issue-1: nothing began (held): cooldown",
        ),
        (&["issues", "remediate", "2"], Exit::Findings, "waits for an approval"),
        (&["issues", "remediate", "99"], Exit::Findings, "there is no issue-99"),
        (&["approvals", "show", "nothing"], Exit::Findings, "there is no such approval"),
    ];
    for (words, exit, part) in cases {
        let words = with(words);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        check(&words, exit, part).await;
    }
    served.handle.stop(false).await;
}

#[actix_web::test]
async fn shells_are_told_what_can_be_typed() {
    for shell in ["bash", "zsh", "fish"] {
        check(&["completions", shell], Exit::Good, "remediations").await;
    }
}

#[actix_web::test]
async fn a_person_answers_an_approval() {
    let served = serve(Plan::default()).await;
    served.house.notify(firing("Delicate", "a").to_string()).await;
    served.house.rest().await;
    let server = ["--server", served.url.as_str()];
    let list =
        check(&["approvals", "list", "--output", "json", server[0], server[1]], Exit::Good, "plan_hash")
            .await;
    let list: Value = serde_json::from_str(&list).unwrap();
    let (id, hash) = (list[0]["id"].as_str().unwrap(), list[0]["plan_hash"].as_str().unwrap());
    let run = async |command: &str, more: &[&str], exit, part: &str| {
        let mut words = vec!["approvals", command, id, server[0], server[1]];
        words.extend(more);
        check(&words, exit, part).await
    };
    run("show", &[], Exit::Good, "would note a").await;
    run("grant", &["--plan", "0000"], Exit::Findings, "not for 0000").await;
    run("grant", &["--plan", &hash[..12], "--reason", "fine"], Exit::Good, "granted for issue-1").await;
    run("refuse", &[], Exit::Findings, "local granted it already").await;
    run("show", &[], Exit::Good, "local granted it at").await;
    served.handle.stop(false).await;
}

#[actix_web::test]
async fn who_may_not_is_told_and_who_is_not_there_is_missed() {
    let served = serve(Plan { tokens: tokens(), ..Plan::default() }).await;
    let viewer = token_of("viewer");
    let url = served.url.as_str();
    check(&["switch", "show", "--server", url], Exit::Findings, "a token is missing").await;
    check(&["switch", "show", "--server", url, "--token", "wrong"], Exit::Findings, "not known").await;
    let off = ["switch", "off", "--reason", "x", "--server", url, "--token", viewer.as_str()];
    check(&off, Exit::Findings, "viewer is viewer, and this needs operator").await;
    check(&["switch", "show", "--server", "nowhere"], Exit::Usage, "--server").await;
    served.handle.stop(false).await;
    check(
        &["switch", "show", "--server", url, "--token", viewer.as_str()],
        Exit::Unreachable,
        "--server names another",
    )
    .await;
}

/// A server of whatever kind, which answers everything so.
fn answering(status: u16, body: &'static str) -> (String, ServerHandle) {
    let status = StatusCode::from_u16(status).unwrap();
    let server = HttpServer::new(move || {
        let answer = move || async move { HttpResponse::build(status).body(body) };
        App::new().default_service(web::to(answer))
    });
    let server = server.workers(1).disable_signals().bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", server.addrs()[0]);
    let server = server.run();
    let handle = server.handle();
    tokio::spawn(server);
    (url, handle)
}

#[actix_web::test]
async fn only_selfheal_is_ready() {
    let cases = [
        (200, r#"{"status":"ready","reasons":[]}"#, Exit::Good, "ready\n"),
        (200, r#"{"status":"degraded","reasons":["no ledger"]}"#, Exit::Good, "degraded\n  no ledger\n"),
        (503, r#"{"status":"not_ready","reasons":["no disk"]}"#, Exit::Unreachable, "not ready\n  no disk\n"),
        (200, r#"{"status":"ok"}"#, Exit::Unreachable, "answers 200 OK, and not as selfheal would"),
        (200, r#"{"status":true}"#, Exit::Unreachable, "answers 200 OK, and not as selfheal would"),
        (404, r#"{"error":"no such page"}"#, Exit::Unreachable, "answers 404 Not Found, and not as"),
        (502, "[]", Exit::Unreachable, "answers 502 Bad Gateway, and not as selfheal would"),
        (200, "<html>", Exit::Unreachable, "answers 200 OK, and not as selfheal would"),
    ];
    for (status, body, exit, part) in cases {
        let (url, handle) = answering(status, body);
        check(&["ready", "--server", &url], exit, part).await;
        handle.stop(false).await;
    }
}

/// Writes the files of a directory.
fn write(directory: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        std::fs::write(directory.join(name), text).unwrap();
    }
}

const SKIPS: &str = "//! Does nothing.\n\nconst RULE = #{ matchers: [`alertname=\"Broken\"`], priority: \"critical\", \
                     component: \"compute\" };\n\n/// Nothing.\nfn plan(alert, seen) {\n    skip(\"not today\")\n}\n";

#[actix_web::test]
async fn rules_are_checked_like_by_a_compiler() {
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path().to_str().unwrap();
    check(&["rules", "check", dir], Exit::Usage, "holds no *.rhai file").await;
    write(directory.path(), &[("skips.rhai", SKIPS)]);
    check(&["rules", "check", dir], Exit::Good, "1 rule is good").await;
    // The adapter `fake` is a test's own, so this rule asks for something that there is not.
    write(directory.path(), &[("heal.rhai", HEAL)]);
    let page = check(&["rules", "check", dir], Exit::Findings, "heal.rhai:7:").await;
    assert!(
        page.contains("error: ") && page.contains("1 error in 2 rules: none is taken into use"),
        "{page}"
    );
    let json = check(&["rules", "check", dir, "--output", "json"], Exit::Findings, "diagnostics").await;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&json["rules"], &json["errors"], &json["diagnostics"][0]["line"]),
        (&2.into(), &1.into(), &7.into())
    );
    check(&["rules", "check", &format!("{dir}/nowhere")], Exit::Usage, "name the directory that holds").await;
    check(&["rules", "reference"], Exit::Good, "pg").await;
    check(&["rules", "definitions"], Exit::Good, "module static;").await;
}

#[actix_web::test]
async fn the_configuration_is_checked_whole() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (good, faulty) =
        (write("good.yaml", "listen: 127.0.0.1:0\n"), write("faulty.yaml", "lisen: 1\nswitch: 3\n"));
    check(&["config", "check", "--config", &good], Exit::Good, "the configuration is good").await;
    check(
        &["config", "check", "--config", &good, "--output", "json"],
        Exit::Good,
        "\"listen\": \"127.0.0.1:0\"",
    )
    .await;
    check(&["config", "check", "--config", &faulty], Exit::Usage, "faulty.yaml:1").await;
    let faults =
        check(&["config", "check", "--config", &faulty, "--output", "json"], Exit::Usage, "faults").await;
    assert!(
        serde_json::from_str::<Value>(&faults).unwrap()["faults"].as_array().unwrap().len() >= 2,
        "{faults}"
    );
    check(&["config", "check", "--config", "/nowhere.yaml"], Exit::Usage, "/nowhere.yaml").await;
    check(&["config", "check", "--listen", "0.0.0.0:1"], Exit::Usage, "--listen").await;
}

#[actix_web::test]
async fn a_dry_run_needs_no_server() {
    let directory = tempfile::tempdir().unwrap();
    let (rules, other) = (directory.path().join("rules"), directory.path().join("skips.rhai"));
    std::fs::create_dir(&rules).unwrap();
    write(&rules, &[("skips.rhai", SKIPS)]);
    std::fs::write(&other, SKIPS.replace("not today", "not tomorrow")).unwrap();
    write(
        directory.path(),
        &[("alert.json", &firing("Broken", "a\u{1b}[2J").to_string()), ("not.json", "{")],
    );
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (alert, rules, other) = (path("alert.json"), path("rules"), path("skips.rhai"));
    let page = check(&["dry-run", &alert, "--rules", &rules], Exit::Good, "not today").await;
    assert!(page.starts_with("Broken {job=") && !page.contains('\u{1b}'), "{page:?}");
    check(&["dry-run", &alert, "--rules", &rules, "--rule", &other], Exit::Good, "not tomorrow").await;
    check(&["dry-run", &alert, "--rules", &rules, "--output", "json"], Exit::Good, "\"summary\"").await;
    check(
        &["dry-run", &path("not.json"), "--rules", &rules],
        Exit::Findings,
        "what Alertmanager posts, or -",
    )
    .await;
    check(
        &["dry-run", &path("nowhere.json"), "--rules", &rules],
        Exit::Usage,
        "what Alertmanager posts, or -",
    )
    .await;
    check(&["dry-run", &alert, "--rules", &path("nowhere")], Exit::Usage, "nowhere").await;
}

#[actix_web::test]
async fn a_dry_run_by_a_server_takes_an_edited_rule_along() {
    let served = serve(Plan::default()).await;
    let directory = tempfile::tempdir().unwrap();
    let alert = directory.path().join("alert.json");
    std::fs::write(&alert, firing("Broken", "a").to_string()).unwrap();
    let (alert, url) = (alert.to_str().unwrap(), served.url.as_str());
    check(&["dry-run", alert, "--server", url], Exit::Good, "would note a").await;
    let edited = directory.path().join("heal.rhai");
    std::fs::write(&edited, HEAL.replace("alert.labels.job", "\"edited\"")).unwrap();
    let edited = edited.to_str().unwrap();
    check(&["dry-run", alert, "--server", url, "--rule", edited], Exit::Good, "would note edited").await;
    std::fs::write(edited, HEAL.replace("fake::note", "fake::nte")).unwrap();
    check(&["dry-run", alert, "--server", url, "--rule", edited], Exit::Findings, "heal.rhai:7:").await;
    served.handle.stop(false).await;
}

#[tokio::test]
async fn a_configuration_can_be_checked_where_its_secrets_are_not() {
    let base = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/kubernetes/base/selfheal.yaml");
    let (rules, secret) = ("rules", "/run/secrets/selfheal/webhook-token");
    let words = ["config", "check", "--config", base, "--rules", rules];
    check(&words, Exit::Usage, secret).await;
    let open = [&words[..], &["--without-secrets"]].concat();
    let page =
        check(&open, Exit::Good, "note: ${file:/run/secrets/selfheal/webhook-token} was left open").await;
    assert!(page.contains("1 bearer token") && page.ends_with("the configuration is good\n"), "{page}");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("selfheal.yaml");
    let file = file.to_str().unwrap();
    // What cannot be connected without its address has its functions all the same; what is wrong stays wrong.
    let of = |more: &str| {
        let main = "{url: \"${REDIS_THAT_IS_NOT_SET}\"}";
        std::fs::write(file, format!("adapters: {{redis: {{targets: {{main: {main}}}}}}}\n{more}")).unwrap();
    };
    of("");
    check(&["rules", "reference", "--config", file], Exit::Good, "redis::memory").await;
    of("polcy: {}");
    check(
        &["config", "check", "--config", file, "--without-secrets"],
        Exit::Usage,
        "did you mean \"policy\"?",
    )
    .await;
}

#[actix_web::test]
async fn tests_of_rules_and_how_they_end() {
    let directory = tempfile::tempdir().unwrap();
    let rules = directory.path().to_str().unwrap();
    check(&["rules", "test", rules], Exit::Usage, "holds no *.rhai file").await;
    let rule = "const RULE = #{ matchers: [`alertname=\"A\"`], priority: \"critical\" };\n\
                fn plan(alert, seen) {\n    if alert.labels.quiet == () { skip(\"loud\") } else { skip(\"quiet\") }\n}\n";
    std::fs::write(directory.path().join("a.rhai"), rule).unwrap();
    check(&["rules", "test", rules], Exit::Usage, "tests cannot be read").await;
    std::fs::create_dir(directory.path().join("tests")).unwrap();
    check(&["rules", "test", rules], Exit::Usage, "there are no tests in").await;
    let file = directory.path().join("tests/a.yaml");
    let test = |outcome: &str| {
        let expect = format!("expect: [{{{outcome}: skipped}}]");
        format!("tests: [{{name: it is loud, alerts: [{{labels: {{alertname: A}}}}], {expect}}}]\n")
    };
    std::fs::write(&file, test("outcom")).unwrap();
    check(&["rules", "test", rules], Exit::Usage, "did you mean \"outcome\"?").await;
    std::fs::write(&file, test("phase")).unwrap();
    check(&["rules", "test", rules], Exit::Usage, "expected one of waiting").await;
    std::fs::write(&file, test("outcome")).unwrap();
    check(&["rules", "test", rules], Exit::Good, "not reached: ").await;
    check(&["rules", "test", rules, "--filter", "loud"], Exit::Good, "1 test: passed").await;
    check(&["rules", "test", rules, "--coverage-min", "50"], Exit::Good, "1 test: passed").await;
    check(&["rules", "test", rules, "--coverage-min", "100"], Exit::Findings, "less than 100 %").await;
    let out = check(&["rules", "test", rules, "--output", "json"], Exit::Good, "").await;
    let answer: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(answer["rules"][0]["missed"][0]["line"], 3, "{answer}");
    std::fs::write(&file, test("outcome").replace("skipped", "recovered")).unwrap();
    check(&["rules", "test", rules], Exit::Findings, "- recovered").await;
}

#[tokio::test]
async fn the_audit_chain_is_verified_beside_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let path = folder.path().join("journal.sqlite");
    check(&["audit", "verify", "--data", data], Exit::Usage, "there is no journal at").await;
    let journal = SqliteJournal::open(&path).unwrap();
    for number in 0..3 {
        let record = Record {
            issue: None,
            remediation: None,
            at: jiff::Timestamp::UNIX_EPOCH,
            kind: "switched".to_owned(),
            actor: "ada".to_owned(),
            summary: "off".to_owned(),
            facts: json!({ "number": number }),
        };
        journal.commit(vec![Write::Record(record)]).await.unwrap();
    }
    let head = check(&["audit", "head", "--data", data], Exit::Good, "3:").await;
    let head = head.trim();
    check(&["audit", "verify", "--data", data], Exit::Good, "whole in itself: 3 links").await;
    check(&["audit", "verify", "--data", data, "--head", head], Exit::Good, "nothing was changed: 3 links")
        .await;
    let lines = check(&["audit", "export", "--data", data], Exit::Good, "\"ada\"").await;
    let last: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    assert_eq!((&last["link"]["seq"], &last["record"]["facts"]["number"]), (&json!(3), &json!(2)));
    assert!(head.ends_with(last["link"]["hash"].as_str().unwrap()), "{head}: {last}");

    let later = head.replacen("3:", "9:", 1);
    let key = folder.path().join("key.yaml");
    std::fs::write(&key, "audit: {key: 0123456789abcdef0123456789abcdef}").unwrap();
    let with_key = ["--data", data, "--config", key.to_str().unwrap()];
    let signed = check(&[&["audit", "head"], &with_key[..]].concat(), Exit::Good, head).await;
    let verify = [&["audit", "verify", "--head", signed.trim()], &with_key[..]].concat();
    check(&verify, Exit::Findings, "links 1 to 3: no signature is over them").await;
    let forged = signed.replacen("3:", "9:", 1);
    let verify = [&["audit", "verify", "--head", forged.trim()], &with_key[..]].concat();
    check(&verify, Exit::Usage, "its signature is by none of").await;

    let cut = ["audit", "verify", "--data", data, "--head", &later];
    check(&cut, Exit::Findings, "the chain ends at link 3 and had a link 9").await;
    let found = check(&[&cut[..], &["--output", "json"]].concat(), Exit::Findings, "\"cut\"").await;
    let found: Value = serde_json::from_str(&found).unwrap();
    assert_eq!(
        (&found["whole"], &found["findings"][0]["finding"]),
        (&json!(false), &json!("cut")),
        "{found}"
    );
}

#[tokio::test]
async fn a_journal_that_cannot_be_moved_says_so_in_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let (path, file) = (folder.path().join("journal.sqlite"), folder.path().join("selfheal.yaml"));
    // Nobody listens there.
    let url = "postgres://selfheal@127.0.0.1:1/selfheal?sslmode=disable";
    std::fs::write(&file, format!("journal: {{url: \"{url}\"}}\n")).unwrap();
    let words =
        ["journal", "move", "--data", folder.path().to_str().unwrap(), "--config", file.to_str().unwrap()];
    check(&words, Exit::Usage, "there is no journal at").await;
    let journal = SqliteJournal::open(&path).unwrap();
    check(&words, Exit::Usage, "another selfheal process uses it").await;
    drop(journal);
    check(&words, Exit::Unreachable, "journal on PostgreSQL").await;
}

#[test]
fn how_a_start_that_failed_ends() {
    let what = || "x".to_owned();
    let cases = [
        (ServeFault::Assemble(AssembleFault::Ledger(what())), Exit::Usage),
        (ServeFault::Assemble(AssembleFault::Journal(what())), Exit::Usage),
        (ServeFault::Assemble(AssembleFault::Unreachable(what())), Exit::Unreachable),
        (ServeFault::Assemble(AssembleFault::System(what())), Exit::Internal),
        (ServeFault::Journal(what()), Exit::Internal),
        (ServeFault::Broken(what()), Exit::Internal),
    ];
    for (fault, exit) in cases {
        assert_eq!(not_served(&fault), Failure::new(exit, fault.to_string()), "{fault:?}");
    }
}

//! Rules are edited while alerts stream in, in every way that editors and Kubernetes have: nothing is lost, the last good
//! set stays, and every alert is decided by one set as a whole.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use selfheal_test_servers::{http, poll, wait_until};
use serde_json::{Value, json};

use crate::selfheal::{PATIENCE, Selfheal, alert};

/// A rule that writes what it is.
fn rule(version: &str) -> String {
    format!(
        "const RULE = #{{ matchers: [`alertname=\"Stream\"`], priority: \"critical\" }};\n\
         fn plan(alert, seen) {{ log::write(`{version} ${{alert.labels.instance}}`) }}\n"
    )
}

fn generation(selfheal: &Selfheal) -> u64 {
    let ready: Option<Value> =
        http::get(&selfheal.url("/ready")).ok().and_then(|answer| serde_json::from_str(&answer.body).ok());
    ready.and_then(|ready| ready["rules"]["generation"].as_u64()).unwrap_or_default()
}

fn status(selfheal: &Selfheal) -> String {
    http::get(&selfheal.url("/ready")).map(|answer| answer.body).unwrap_or_default()
}

/// Makes a change, and waits until it is in use.
fn change(selfheal: &Selfheal, what: &str, make: impl FnOnce()) {
    let before = generation(selfheal);
    make();
    let taken = poll(PATIENCE, || (generation(selfheal) > before).then_some(()));
    assert!(taken.is_some(), "{what} is not taken into use: {}", status(selfheal));
}

/// Every kind of change, one after the other.
fn edit(selfheal: &Selfheal, rules: &Path) {
    let file = rules.join("stream.rhai");
    change(selfheal, "an edit", || fs::write(&file, rule("edited")).unwrap());
    fs::write(&file, "const RULE = #{ matchers: [").unwrap();
    wait_until("a bad edit is refused", PATIENCE, || status(selfheal).contains("degraded"));
    assert!(status(selfheal).contains("stream.rhai:1"), "{}", status(selfheal));
    change(selfheal, "a write through another file", || {
        fs::write(rules.join(".stream.rhai.swp"), rule("moved")).unwrap();
        fs::rename(rules.join(".stream.rhai.swp"), &file).unwrap();
    });
    assert!(status(selfheal).contains("\"ready\""), "{}", status(selfheal));
    break_and_mend(selfheal, rules, &file);
    change(selfheal, "a new name", || fs::rename(&file, rules.join("renamed.rhai")).unwrap());
    change(selfheal, "a second rule", || fs::write(&file, rule("second")).unwrap());
    change(selfheal, "a rule less", || fs::remove_file(rules.join("renamed.rhai")).unwrap());
    // As a ConfigMap: the files are links through a link to a directory, which is replaced.
    let volume = rules.join("..data");
    for (number, version) in ["mounted", "swapped"].into_iter().enumerate() {
        change(selfheal, version, || {
            let data = rules.join(format!("..{number}"));
            fs::create_dir(&data).unwrap();
            fs::write(data.join("stream.rhai"), rule(version)).unwrap();
            symlink(format!("..{number}"), rules.join("..data_tmp")).unwrap();
            fs::rename(rules.join("..data_tmp"), &volume).unwrap();
            if number == 0 {
                fs::remove_file(&file).unwrap();
                symlink("..data/stream.rhai", &file).unwrap();
            }
        });
    }
}

/// What cannot be read is refused like what does not compile, and says so; the same rules again are no change.
fn break_and_mend(selfheal: &Selfheal, rules: &Path, file: &Path) {
    let before = generation(selfheal);
    let (hidden, away) = (rules.join(".kept"), rules.with_extension("away"));
    let (binary, dangling) = (rules.join("binary.rhai"), rules.join("dangling.rhai"));
    type Make<'a> = Box<dyn Fn() + 'a>;
    let faults: [(&str, Make<'_>, Make<'_>); 4] = [
        (
            "valid UTF-8",
            Box::new(|| fs::write(&binary, [0xff]).unwrap()),
            Box::new(|| fs::remove_file(&binary).unwrap()),
        ),
        (
            "dangling.rhai",
            Box::new(|| symlink("gone", &dangling).unwrap()),
            Box::new(|| fs::remove_file(&dangling).unwrap()),
        ),
        (
            "holds no *.rhai",
            Box::new(|| fs::rename(file, &hidden).unwrap()),
            Box::new(|| fs::rename(&hidden, file).unwrap()),
        ),
        (
            "cannot be read",
            Box::new(|| fs::rename(rules, &away).unwrap()),
            Box::new(|| fs::rename(&away, rules).unwrap()),
        ),
    ];
    for (what, make, mend) in faults {
        make();
        wait_until(what, PATIENCE, || status(selfheal).contains(what));
        assert!(status(selfheal).contains("degraded"), "{}", status(selfheal));
        let told = selfheal.api("/rules").unwrap()["refusal"]["text"].to_string();
        assert!(told.contains(what), "{told}");
        mend();
        wait_until("all is well again", PATIENCE, || status(selfheal).contains("\"ready\""));
    }
    assert_eq!(generation(selfheal), before);
}

#[test]
fn rules_change_under_load() {
    let settings = json!({
        "policy": { "storm_per_minute": 0, "in_all_per_hour": 1_000_000, "concurrent": 1000 },
        "telemetry": { "log": { "level": "warn" } },
    });
    let mut selfheal = Selfheal::prepare(settings, &[("stream", &rule("first"))]);
    selfheal.start();
    let rules = selfheal.path().join("rules");
    let (over, sent) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let streaming = scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let number = sent.load(Ordering::Relaxed);
                let answer =
                    selfheal.send(&[alert("Stream", &format!("n{number}"), "2026-11-22T12:00:00Z")]).unwrap();
                assert_eq!(answer.status, 200, "{}", answer.body);
                sent.store(number + 1, Ordering::Relaxed);
            }
        });
        edit(&selfheal, &rules);
        over.store(true, Ordering::Relaxed);
        streaming.join().unwrap();
    });
    let sent = u64::try_from(sent.into_inner()).unwrap();
    let all = poll(PATIENCE, || {
        let statistics = selfheal.api("/statistics").ok()?;
        let healed = statistics["by_outcome"]["applied"].as_u64()?;
        (statistics["total_issues_detected"] == sent && healed == sent).then_some(())
    });
    assert!(all.is_some(), "{sent} were acknowledged: {:#}", selfheal.api("/statistics").unwrap());
    let last = selfheal.send(&[alert("Stream", "last", "2026-11-22T12:00:00Z")]).unwrap();
    assert_eq!(last.status, 200);
    let last = selfheal.wait_for_issue("the last is healed", |issue| {
        issue["labels"]["instance"] == "last" && issue["outcome"] == "applied"
    });
    let story = selfheal.api(&format!("/issues/{}", last["id"].as_str().unwrap())).unwrap().to_string();
    assert!(story.contains("swapped last"), "{story}");
}

#[path = "../tests/rules/catalog.rs"] mod catalog;
#[path = "../tests/rules/support.rs"] mod support;
use support::*; use serde_json::json; use std::time::Instant;
fn rss(key: &str) -> u64 { let s = String::from_utf8(std::fs::read("/proc/self/status").unwrap()).unwrap(); s.lines().find(|l| l.starts_with(key)).unwrap().split_whitespace().nth(1).unwrap().parse().unwrap() }
fn main() {
    let hostile = std::env::args().nth(1);
    if let Some(body) = hostile {
        let text = with_header(&format!("fn plan(alert, seen) {{\n{body}\n}}"));
        let r = rule(&text);
        let before = rss("VmHWM:");
        let t = Instant::now();
        let traced = r.plan_traced(&view(), &Default::default());
        println!("{:>7} us {:>7} kB peak+ {} ops {:?}  {}", t.elapsed().as_micros(), rss("VmHWM:") - before, traced.operations, traced.result.map_err(|f| f.diagnostic.message), body);
        return;
    }
    let simple = rule(r#"const RULE = #{ matchers: [`alertname="X"`] };
fn observe(alert) { #{ db: pg::connections(alert.labels.database) } }
fn plan(alert, seen) {
    if seen.db.share < settings.postgres_conn_threshold { return skip("enough are free"); }
    pg::terminate_idle(alert.labels.database, "10m").verify(pg::connections(alert.labels.database).below(0.85), "2m")
}"#);
    let v = view(); let rd = readings(&[("db", json!({"share": 0.9, "total": 90, "by": {"user": 3}}))]);
    for _ in 0..2 {
    let n = 100_000; 
    let t = Instant::now(); for _ in 0..n { std::hint::black_box(simple.observe(&v).unwrap()); } println!("observe {:?}", t.elapsed()/n);
    let t = Instant::now(); for _ in 0..n { std::hint::black_box(simple.plan(&v, &rd).unwrap()); } println!("plan {:?}", t.elapsed()/n);
    }
    let t = Instant::now(); let n = 2000; for _ in 0..n { std::hint::black_box(COMPILER.compile("x", &simple.file().text).unwrap()); } println!("compile {:?}", t.elapsed()/n);
    let files: Vec<_> = (0..10_000).map(|i| selfheal_script::RuleFile::new(format!("r{i}"), format!("rules/r{i}.rhai"), simple.file().text.replace("X", &format!("X{i}")))).collect();
    let before = rss("VmRSS:");
    let t = Instant::now(); let set = selfheal_script::RuleSet::build(&COMPILER, files.clone()).unwrap(); println!("10000 rules {:?} {} kB", t.elapsed(), rss("VmRSS:") - before);
    let t = Instant::now(); let _ = selfheal_script::RuleSet::build_from(Some(&set), &COMPILER, files).unwrap(); println!("again {:?}", t.elapsed());
}

//! Scripts that want out, or want everything: each is stopped, by the limit that is there for it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use selfheal_core::plan::Decision;
use selfheal_script::{Compiler, Limits};

use crate::catalog::catalog;
use crate::support::{COMPILER, compile, plan, settings, texts, view, with_header};

#[test]
fn greedy_scripts_are_stopped() {
    let cases: &[(&str, &str)] = &[
        // Endless.
        ("operations", "loop {}"),
        ("operations", "while true { }"),
        ("operations", "do { } while true; skip(\"x\")"),
        ("operations", "let i = 0; while i >= 0 { i += 1; }"),
        ("operations", "for i in 0..1000000000000 {}"),
        ("operations", "for i in range(0, 1000000000000, 1) { i; }"),
        ("operations", "loop { try { throw 1 } catch { continue } }"),
        // Endless, where Rhai's own count begins anew.
        (
            "operations",
            "let a = []; for i in 0..200 { a.push(i); } a.filter(|x| a.filter(|y| a.filter(|z| true).len() > 0).len() > 0)",
        ),
        (
            "operations",
            "let a = []; for i in 0..200 { a.push(i); } a.map(|x| a.reduce(|s, y| s + a.index_of(|z| z == 300), 0))",
        ),
        (
            "operations",
            "let a = []; for i in 0..256 { a.push(i); } a.sort(|x, y| { for i in 0..100 {} x - y }); a.sort(|x, y| { for i in 0..1000 {} x - y })",
        ),
        ("operations", "let a = [1]; a.for_each(|x| { loop {} })"),
        (
            "script",
            "let a = []; for i in 0..256 { a.push(i * 7 % 31); } let n = [0]; a.sort(|x, y| { if (x * 13 + y * 7) % 3 == 0 { -1 } else { 1 } }); throw 1",
        ),
        // Texts.
        ("size", "let s = \"0123456789\"; loop { s += s; }"),
        ("size", "let s = \"0123456789\"; loop { s = `${s}${s}`; }"),
        ("size", "\"\".pad(1000000000, 'x')"),
        ("size", "let s = \"x\"; s.pad(4000, 'x'); s.replace(\"x\", s)"),
        ("size", "let s = \"x\"; s.pad(4000, 'x'); [s, s]"),
        ("size", "let s = \"x\"; s.pad(4000, 'x'); s.split(\"\")"),
        ("size", "let s = \"x\"; s.pad(4000, 'x'); let t = \"\"; for i in 0..4000 { t = s + i; }"),
        // Arrays and maps.
        ("size", "let a = []; loop { a.push(1); }"),
        ("size", "let a = [1]; loop { a += a; }"),
        ("size", "let a = [1]; loop { a = [a, a]; }"),
        ("size", "let a = [[]]; loop { a[0] = a; a.push(a); }"),
        ("size", "let a = [1, 2]; loop { a[0] = a; a[1] = a; }"),
        ("size", "[].pad(1000000000, 0)"),
        ("size", "let a = [1]; a.pad(250, a); a"),
        ("size", "let m = #{}; let i = 0; loop { m[`${i}`] = i; i += 1; }"),
        ("size", "let m = #{}; loop { m.a = m; m.b = m; }"),
        ("size", "let m = #{a: 1}; loop { m.b = m; m[\"c\"] = m; m = #{x: m, y: m}; }"),
        ("size", "let m = #{}; let i = 0; loop { m.set(`${i}`, i); i += 1; }"),
        ("size", "let m = #{}; for i in 0..2000 { let n = #{}; n[`${i}`] = i; m += n; }"),
        ("size", "let m = #{ inner: #{} }; let i = 0; loop { m.inner[`${i}`] = `${i}${i}${i}`; i += 1; }"),
        ("size", "let m = #{ inner: [] }; let i = 0; loop { m.inner += [i]; i += 1; }"),
        ("size", "let m = #{}; let s = \"x\"; s.pad(2000, 'x'); for i in 0..100 { m[`${i}`] = s + i; }"),
        // Closures.
        ("size", "let f = || 0; loop { let g = f; f = || g.call(); }"),
        ("size", "let f = || 0; loop { let g = f; let h = f; f = || g.call() + h.call(); }"),
        ("size", "let s = \"x\"; s.pad(4000, 'x'); let a = []; loop { let t = s + 1; a.push(|| t); }"),
        ("size", "let f = |a, b| a; loop { f = f.curry(f); }"),
        ("size", "let f = |a, b| a; let a = []; a.pad(250, 1); loop { f = f.curry(a); }"),
        // Depth.
        ("size", "fn f(x) { f(x + 1) } f(0)"),
        ("size", "fn f(x) { g(x) } fn g(x) { [x].map(|y| f(y)) } f(0)"),
        ("size", "let f = |g| g.call(g); f.call(f)"),
        // Steps, probes, plans.
        ("size", "loop { pg::cancel(\"main\"); }"),
        ("size", "loop { pg::connections(\"main\"); }"),
        ("size", "let p = pg::connections(\"main\"); loop { p.below(1); }"),
        ("size", "let p = sequence([pg::cancel(\"main\")]); loop { p = sequence([p]); }"),
        ("size", "let all = []; all.pad(65, pg::cancel(\"main\")); sequence(all)"),
        ("size", "let p = pg::cancel(\"main\"); loop { p = fallback([p, p]); }"),
        ("refused", "let c = pg::connections(\"main\").below(1); loop { c = all_of([c, c]); }"),
        ("refused", "let c = pg::connections(\"main\").below(1); loop { c = any_of([c]); }"),
        // Handled over and over.
        ("size", "let a = []; a.pad(256, 1); for i in 0..5000 { let b = a; }"),
        ("size", "let s = \"x\"; s.pad(4000, 'x'); for i in 0..5000 { let t = s; }"),
        // What is caught does not help.
        ("operations", "try { loop {} } catch { skip(\"caught\") }"),
        ("size", "try { let m = #{}; loop { m.a = m; m.b = m; } } catch { skip(\"caught\") }"),
        ("size", "try { loop { pg::cancel(\"main\"); } } catch { skip(\"caught\") }"),
        ("size", "loop { try { pg::cancel(alert.level) } catch (e) { e.to_string(); } }"),
        // Arithmetic.
        ("script", "let x = 9223372036854775807; x + 1"),
        ("script", "2 ** 100000"),
        ("script", "let x = -9223372036854775807 - 1; -x"),
        ("script", "1 % 0"),
        ("script", "parse_int(\"x\")"),
        // An adapter that fails in a way that it must not.
        ("engine", "pg::connections(\"panic!\")"),
    ];
    for (kind, body) in cases {
        // Functions stand outside of `plan`.
        let (functions, body) =
            body.rsplit_once("} f(0)").map_or(("", *body), |(functions, _)| (functions, "f(0)"));
        let functions = if functions.is_empty() { String::new() } else { format!("{functions}}}") };
        let text = with_header(&format!("{functions}\nfn plan(alert, seen) {{\n{body}\n}}"));
        let rule = compile(&text).unwrap_or_else(|faults| panic!("{}", texts(&faults)));
        let traced = rule.plan_traced(&view(), &BTreeMap::new());
        // `sort` asks its comparer on after a failure; each further call ends at once.
        let most = Limits::default().operations + 4096;
        assert!(traced.operations <= most, "{body}: {} operations", traced.operations);
        match traced.result {
            Err(fault) => assert_eq!(fault.kind.name(), *kind, "{body}\n{fault}"),
            Ok(decision) => panic!("{body}: {decision:?}"),
        }
    }
}

#[test]
fn what_reaches_out_does_not_compile() {
    let deep = |open: &str, inner: &str, close: &str, times: usize| {
        format!("let x = {}{inner}{};", open.repeat(times), close.repeat(times))
    };
    let cases = [
        "eval(\"1\")".to_owned(),
        "let e = \"eval\"; eval(e)".to_owned(),
        "import \"/etc/passwd\" as x;".to_owned(),
        "export x;".to_owned(),
        "this.x = 1".to_owned(),
        "sleep(10)".to_owned(),
        "sleep(10.0)".to_owned(),
        "exit()".to_owned(),
        "get_fn_metadata_list()".to_owned(),
        "parse_json(\"{}\")".to_owned(),
        "timestamp()".to_owned(),
        "blob(1000000000)".to_owned(),
        "std::fs::read(\"x\")".to_owned(),
        "Fn(\"eval\").call(\"1\") + unknown_function()".to_owned(),
        // Deep texts, against the parser's and the lint's stack.
        deep("(", "1", ")", 10_000),
        deep("[", "1", "]", 10_000),
        deep("#{a:", "1", "}", 10_000),
        deep("{", "1", "}", 10_000),
        deep("-", "1", "", 20_000),
        deep("!", "true", "", 20_000),
        deep("|x| ", "1", "", 10_000),
        deep("if true {", "1", "}", 5_000),
        deep("`${", "1", "}`", 10_000),
        deep("f(", "1", ")", 10_000),
        deep("a.b(", "1", ")", 10_000),
        deep("a[", "1", "]", 10_000),
        deep("a = ", "1", "", 10_000),
        deep("if true {1} else ", "{1}", "", 3_000),
        deep("switch 1 { 1 => ", "1", "}", 4_000),
        deep("a.", "b", "", 20_000),
        deep("a?.", "b", "", 15_000),
        deep("1 + ", "1", "", 15_000).replace("1 + ", "x + "),
        deep("a ?? ", "b", "", 12_000),
        deep("a && ", "b", "", 12_000),
        deep("a::", "b", "", 20_000),
        deep("try {", "1", "} catch {}", 3_000),
        deep("for i in ", "[1]", "{}", 4_000),
        // Large.
        format!("\"{}\"", "x".repeat(70_000)),
        format!("\"{}\"", "x".repeat(5_000)),
        format!("[{}]", "1,".repeat(20_000)),
        format!("#{{{}}}", (0..5_000).map(|n| format!("a{n}: 1,")).collect::<String>()),
        "\u{0}\u{feff}\u{202e}".to_owned(),
        "\"\\x".to_owned(),
        "/* ".to_owned(),
        "0x99999999999999999999999999".to_owned(),
        "`${".to_owned(),
    ];
    for body in cases {
        let text = with_header(&format!("fn plan(alert, seen) {{\n{body}\n}}"));
        if compile(&text).is_ok() {
            panic!("compiled: {}", body.chars().take(80).collect::<String>());
        }
    }
}

#[test]
fn long_texts_that_are_fine_do_no_harm() {
    let cases = [
        format!("let x = 0{};", " + 1".repeat(5_000)),
        format!("let x = [0]; {}", "x.len();".repeat(5_000)),
        format!("let m = #{{}}; let x = m{};", "?.b".repeat(10_000)),
        format!("let x = true{};", " && true".repeat(5_000)),
        format!("{} skip(\"x\")", "if alert.level > 5 { return skip(\"y\"); }\n".repeat(1_000)),
    ];
    for body in cases {
        let text = with_header(&format!("fn plan(alert, seen) {{\n{body}\nskip(\"x\")\n}}"));
        // Whether it is taken or refused is a matter of the parser; it must be one of both.
        if let Ok(rule) = compile(&text) {
            let _: Result<Decision, _> = rule.plan(&view(), &BTreeMap::new());
        }
    }
}

#[test]
fn no_script_changes_what_the_next_one_sees() {
    let attempts = [
        "alert.labels = 5",
        "alert.labels.new = 5",
        "alert.labels[\"new\"] = 5",
        "alert.labels += #{ new: 5 }",
        "alert = 5",
        "seen.db.share = 5",
        "seen.db = 5",
        "seen = 5",
        "seen.new = 5",
        "seen.db.by.user = 5",
        "seen.db.list[0] = 5",
        "seen.db.list.push(5)",
        "settings.teams.db = 5",
        "settings = 5",
        "FIXED.a = 5",
        "FIXED.set(\"a\", 5)",
        "FIXED += #{ a: 5 }",
        "FIXED = 5",
        "LIST.push(5)",
        "LIST[0] = 5",
        "LIST.clear()",
    ];
    let state = "${alert.labels} ${seen.db} ${seen.keys()} ${settings.teams} ${FIXED} ${LIST}";
    let text = |attempt: &str| {
        let constants = "const FIXED = #{ a: 1 }; const LIST = [1];";
        with_header(&format!(
            "{constants}\nfn plan(alert, seen) {{ try {{ {attempt}; }} catch {{}} \n skip(`{state}`) }}"
        ))
    };
    let readings = crate::support::readings(&[(
        "db",
        serde_json::json!({ "share": 0.9, "by": { "user": 3 }, "list": [1, 2, 3] }),
    )]);
    let view = view();
    let quiet = crate::support::rule(&text("1"));
    let before = quiet.plan(&view, &readings).unwrap();
    for attempt in attempts {
        if let Ok(rule) = compile(&text(attempt)) {
            let _: Result<Decision, _> = rule.plan(&view, &readings);
            // The rule's own next call sees its constants as they were, too.
            let again = rule.plan(&view, &readings);
            assert!(again.is_err() || again == rule.plan(&view, &readings), "{attempt}");
        }
        assert_eq!(quiet.plan(&view, &readings).unwrap(), before, "{attempt}");
    }
}

/// Every call as deep in an expression as may be, and calls as deep as may be: on the stack of a test's thread, which
/// is that of a worker.
#[test]
fn depth_times_depth_fits_the_stack() {
    let forms: &[(&str, &str)] = &[
        ("[", "]"),
        ("#{ a: ", "}"),
        ("{ let x = ", "; x }"),
        ("if true { ", " } else { 0 }"),
        ("`${", "}`"),
        ("[1].map(|x| ", ")"),
        ("1 + (2 * ", ")"),
        ("g(", ")"),
        ("switch 1 { 1 => ", ", _ => 0 }"),
        ("try { ", " } catch { throw 1 }"),
        ("for i in [1] { ", " }"),
        ("[1][", "]"),
        ("x.min(", ")"),
    ];
    for (open, close) in forms {
        // As deep as this form can be nested.
        let compiled = (1..48).rev().find_map(|times| {
            let body = format!("{}f(x + 1){}", open.repeat(times), close.repeat(times));
            let text =
                with_header(&format!("fn g(x) {{ x }} fn f(x) {{ {body} }} fn plan(alert, seen) {{ f(1) }}"));
            compile(&text).ok()
        });
        let rule = compiled.unwrap_or_else(|| panic!("{open} does not compile"));
        assert!(rule.plan(&view(), &BTreeMap::new()).is_err(), "{open}");
    }
}

#[test]
fn slow_scripts_meet_the_deadline() {
    // Every look at the clock takes it 10 ms on.
    let time = Arc::new(AtomicU64::new(0));
    let clock = {
        let time = Arc::clone(&time);
        Arc::new(move || Duration::from_millis(time.fetch_add(10, Ordering::Relaxed)))
    };
    let compiler = Compiler::with_clock(&catalog(), settings(), Limits::default(), clock);
    let rule = compiler.compile("x", &with_header("fn plan(alert, seen) { loop { 1 + 1; } }")).unwrap();
    let traced = rule.plan_traced(&view(), &BTreeMap::new());
    let fault = traced.result.unwrap_err();
    assert_eq!((fault.kind.name(), fault.diagnostic.message.as_str()), ("deadline", "stopped after 100 ms"));
    assert!(traced.operations < 5_000, "{}", traced.operations);
}

#[test]
fn floods_of_print_are_cut() {
    let rule = compile(&with_header(
        "fn plan(alert, seen) { let s = \"x\"; s.pad(4000, 'x'); for i in 0..100 { print(s); debug(s); } skip(\"x\") }",
    ))
    .unwrap();
    let notes = rule.plan_traced(&view(), &BTreeMap::new()).notes;
    assert_eq!(notes.len(), Limits::default().notes + 1);
    assert!(notes.iter().all(|note| note.len() <= 256));
    assert_eq!(notes.last().unwrap(), "(what was printed after this was not kept)");
    assert!(plan("print(1); skip(\"x\")").is_ok());
}

#[test]
fn a_fault_leaves_nothing_behind_for_the_next_call() {
    let bad = compile(&with_header("fn plan(alert, seen) { print(\"mine\"); loop {} }")).unwrap();
    let good = compile(&with_header("fn plan(alert, seen) { skip(\"fine\") }")).unwrap();
    for _ in 0..3 {
        assert!(bad.plan(&view(), &BTreeMap::new()).is_err());
        let traced = good.plan_traced(&view(), &BTreeMap::new());
        assert_eq!(traced.result.unwrap(), Decision::Skip("fine".into()));
        assert!(traced.notes.is_empty() && traced.operations < 10);
    }
    assert_eq!(COMPILER.compile("x", &"x".repeat(65 * 1024)).unwrap_err()[0].line, 0);
}

//! The rules of a simulated house: one for each shape of plan, each for the alert of its own name. All of them change
//! the number that is named by the alert's instance, so that they get in each other's way.

use selfheal_script::RuleFile;

/// What a rule is for, beside its text.
pub struct Sample {
    /// Its name, and that of its alert.
    pub name: &'static str,
    /// Further fields of its header.
    header: &'static str,
    /// The inside of what `observe` returns.
    observe: &'static str,
    /// The body of `plan`; `n` is the number's name, `well` the condition that things are well.
    plan: &'static str,
}

/// A rule whose script never ends by itself.
pub const ENDLESS: &str = "endless";

const SAMPLES: &[Sample] = &[
    Sample { name: "plain", header: "", observe: "", plan: r#"double::set(n, 2).verify(well, "30s")"# },
    Sample {
        name: "sequence",
        header: "",
        observe: "",
        plan: r#"sequence([double::set(n, 3), double::set(n + "-b", 4).verify(well, "20s")])"#,
    },
    Sample {
        name: "fallback",
        header: r#"cooldown: "6m","#,
        observe: "",
        plan: r#"fallback([double::set(n, 5).verify(well, "10s"), double::add(n + "-b", 6).verify(well, "10s")])"#,
    },
    Sample {
        name: "best",
        header: "",
        observe: "",
        plan: r#"best([double::set(n, 7).verify(well, "5s"), double::scale(n, 8).verify(well, "5s")])"#,
    },
    Sample {
        name: "approval",
        header: "",
        observe: "",
        plan: r#"sequence([double::set(n, 9), double::add(n + "-b", 1).needs_approval("it cannot be undone")])"#,
    },
    Sample {
        name: "observing",
        header: r#"priority: "high","#,
        observe: "now: double::read(n)",
        plan: r#"if is_known(seen.now) && seen.now.value < 1000 { double::set(n, 10 + seen.now.value).verify(well, "20s") } else { skip("another hand is at it") }"#,
    },
    Sample {
        name: "timed",
        header: "",
        observe: "",
        plan: r#"double::set(n, 11).verify(well, "5s").revert_after("8m")"#,
    },
    Sample {
        name: "retry",
        header: "",
        observe: "",
        plan: r#"double::set(n, 12).verify(well, "5s").retry(2, "10s")"#,
    },
    Sample {
        name: "kept",
        header: "",
        observe: "",
        plan: r#"double::set(n, 13).verify(well, "5s").keep_on_failure()"#,
    },
    Sample {
        name: "levels",
        header: r#"escalation: #{ failures: 1, within: "30m" },"#,
        observe: "",
        plan: r#"escalate([double::set(n, 14).verify(well, "5s"), double::set(n, 15).verify(well, "5s")])"#,
    },
    Sample { name: "too_many", header: "", observe: "", plan: "double::scale(n, 11)" },
    Sample { name: "too_wide", header: "", observe: "", plan: "double::shake(n, 16)" },
    Sample { name: "shadow", header: r#"mode: "shadow","#, observe: "", plan: "double::set(n, 17)" },
    Sample { name: ENDLESS, header: "", observe: "", plan: "let x = 0; loop { x += 1; } double::set(n, 18)" },
    // These two stand on each other's changes.
    Sample { name: "less", header: "", observe: "", plan: r#"double::set(n, 19).revert_after("9m")"# },
    Sample { name: "more", header: "", observe: "", plan: r#"double::set(n, 20).revert_after("6m")"# },
    // A sequence that is taken back before other things are tried, and something that only comes after what helped.
    Sample {
        name: "nested",
        header: "",
        observe: "",
        plan: r#"sequence([fallback([sequence([double::set(n, 21), double::set(n + "-b", 22).verify(well, "5s")]), double::set(n, 23).verify(well, "5s"), double::set(n + "-b", 24).verify(well, "5s").retry(1, "5s")]), double::set(n, 25)])"#,
    },
];

/// How many there are.
pub const COUNT: u64 = SAMPLES.len() as u64;

/// The name of a rule and its alert.
pub fn name(number: usize) -> &'static str {
    SAMPLES[number % SAMPLES.len()].name
}

/// The texts of these rules. `edition` changes the text and not what it does; of an odd one, every plan sets one more.
pub fn files(numbers: &[usize], edition: u32) -> Vec<RuleFile> {
    let mut numbers = numbers.to_vec();
    numbers.sort_unstable();
    numbers.dedup();
    numbers.iter().map(|number| file(&SAMPLES[number % SAMPLES.len()], edition)).collect()
}

/// Texts that do not compile.
pub fn broken() -> Vec<RuleFile> {
    vec![RuleFile::new("plain", "rules/plain.rhai", "const RULE = #{ matchers: [".to_owned())]
}

fn file(sample: &Sample, edition: u32) -> RuleFile {
    let Sample { name, header, observe, plan } = sample;
    let priority = if header.contains("priority") { "" } else { r#"priority: "critical","# };
    let cooldown = if header.contains("cooldown") { "" } else { r#"cooldown: "5m","# };
    let observing = if observe.is_empty() {
        String::new()
    } else {
        format!("fn observe(alert) {{\n    let n = alert.labels.instance;\n    #{{ {observe} }}\n}}\n")
    };
    let text = format!(
        "// Edition {edition}.\n\
         const RULE = #{{ matchers: [`alertname=\"{name}\"`], {priority} {cooldown} {header} }};\n\
         {observing}fn plan(alert, seen) {{\n    let n = alert.labels.instance;\n    \
         let well = double::read(n + \"-health\").at_least(1);\n    {plan}\n}}\n"
    );
    RuleFile::new(*name, format!("rules/{name}.rhai"), text)
}

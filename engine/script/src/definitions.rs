//! Editor definitions (`.d.rhai`): what Rhai's language server needs to complete and to document a rule.

use std::fmt::Write as _;

use selfheal_contract::{Catalog, Kind, ParameterSpec};

use crate::language::words;

/// The definitions of the rule language and of every adapter, as one file. The same catalog gives the same text.
pub fn definitions(catalog: &Catalog) -> String {
    let mut file = String::from("module static;\n");
    file.push_str(
        "\n/// The operator's thresholds, from configuration and environment.\nlet settings: Reading;\n",
    );
    for word in words() {
        let on = if word.on.is_empty() {
            String::new()
        } else {
            format!("{}: {}, ", word.on.to_lowercase(), word.on)
        };
        let signature = word.signature.replacen('(', &format!("({on}"), 1).replace(", )", ")");
        function(&mut file, "", word.doc, &format!("{}{signature}", word.name));
    }
    for adapter in catalog.adapters() {
        doc(&mut file, "", adapter.doc);
        push(&mut file, format_args!("module {} {{\n", adapter.name));
        for probe in &adapter.probes {
            let about = probe.about();
            members(&mut file, about.doc, about.name, probe.parameters(), "Probe");
        }
        for action in &adapter.actions {
            let about = action.about();
            members(&mut file, about.doc, about.name, action.parameters(), "Step");
        }
        file.push_str("}\n");
    }
    file
}

/// One function for every number of arguments that the parameters allow.
fn members(file: &mut String, text: &str, name: &str, specs: &[ParameterSpec], gives: &str) {
    for arguments in crate::adapters::required(specs)..=specs.len() {
        let specs = &specs[..arguments];
        let params: Vec<String> =
            specs.iter().map(|spec| format!("{}: {}", spec.name, kind(spec.kind))).collect();
        let params_doc: String = specs
            .iter()
            .map(|spec| format!("\n- `{}`: {}", spec.name, spec.doc.trim().replace('\n', " ")))
            .collect();
        let separator = if params_doc.is_empty() { "" } else { "\n" };
        let text = format!("{}{separator}{params_doc}", text.trim());
        function(file, "    ", &text, &format!("{name}({}) -> {gives}", params.join(", ")));
    }
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Text | Kind::Duration | Kind::Choice(_) => "String",
        Kind::Boolean => "bool",
        Kind::Integer | Kind::Positive => "int",
        Kind::Number => "float",
        Kind::Texts => "Array",
    }
}

fn function(file: &mut String, indent: &str, text: &str, signature: &str) {
    doc(file, indent, text);
    push(file, format_args!("{indent}fn {signature};\n"));
}

fn doc(file: &mut String, indent: &str, text: &str) {
    file.push('\n');
    for line in text.trim().lines() {
        let line = line.trim_end();
        let space = if line.is_empty() { "" } else { " " };
        push(file, format_args!("{indent}///{space}{}\n", line.trim_start()));
    }
}

fn push(file: &mut String, text: std::fmt::Arguments<'_>) {
    file.write_fmt(text).expect("a String takes everything");
}

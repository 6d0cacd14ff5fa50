//! The reference documentation of the rule language and of every adapter, generated from what they say of themselves.

use std::fmt::Write as _;

use selfheal_contract::{About, AboutProbe, Catalog, ParameterSpec, Permission};

use crate::header::KEYS;
use crate::language::{COMBINATORS, COMPARISONS, HELPERS, STEP_OPTIONS, Word};
use crate::view::PROPERTIES;

/// The reference as Markdown: the language first, then each adapter by name. The same catalog gives the same text.
pub fn reference(catalog: &Catalog) -> String {
    let mut page = String::from("# Rule reference\n\nGenerated from the program; do not edit.\n\n");
    language(&mut page);
    for adapter in catalog.adapters() {
        section(&mut page, 2, &format!("Adapter `{}`", adapter.name), adapter.doc);
        for probe in &adapter.probes {
            probe_section(&mut page, adapter.name, &probe.about(), probe.parameters());
        }
        for action in &adapter.actions {
            action_section(&mut page, adapter.name, &action.about(), action.parameters());
        }
    }
    page
}

fn section(page: &mut String, level: usize, title: &str, doc: &str) {
    let marks = "#".repeat(level);
    let doc = doc.trim();
    push(page, format_args!("{marks} {title}\n\n"));
    if !doc.is_empty() {
        push(page, format_args!("{doc}\n\n"));
    }
}

fn push(page: &mut String, text: std::fmt::Arguments<'_>) {
    page.write_fmt(text).expect("a String takes everything");
}

fn table<const N: usize>(page: &mut String, head: [&str; N], rows: impl Iterator<Item = [String; N]>) {
    push(page, format_args!("| {} |\n|{}\n", head.join(" | "), "---|".repeat(N)));
    for row in rows {
        let cells = row.map(|cell| cell.trim().replace('\n', " ").replace('|', "\\|"));
        push(page, format_args!("| {} |\n", cells.join(" | ")));
    }
    page.push('\n');
}

fn language(page: &mut String) {
    section(page, 2, "The header", "`const RULE = #{ .. };` is read without running the rule.");
    table(
        page,
        ["key", "type", "default", "meaning"],
        KEYS.iter().map(|key| [format!("`{}`", key.0), key.1.to_owned(), key.2.to_owned(), key.3.to_owned()]),
    );
    section(
        page,
        2,
        "What a rule sees",
        "`fn observe(alert)` returns a map of probes; `fn plan(alert, seen)` returns a \
        step, a combinator or `skip(why)`. Both also see the constants at the top of their file, and `settings`, the operator's \
        thresholds, by plain name. `seen` has a reading for each probe of `observe`. A field that a \
        probe documents and a reading lacks is `()`, as is a label that an alert does not have; a comparison with `()` is \
        false. A field that the probe does not document is an error. Of a reading that is inconclusive only the field \
        `inconclusive` is there, which says why, and asking for another is an error: ask `is_known(seen.name)` first, or \
        read with `seen.name.get(\"field\")`, which gives `()`.",
    );
    table(
        page,
        ["of `alert`", "is"],
        PROPERTIES.iter().map(|(name, doc, _)| [format!("`alert.{name}`"), (*doc).to_owned()]),
    );
    section(page, 2, "Plans", "");
    words(page, COMBINATORS);
    section(
        page,
        2,
        "Steps",
        "A step is one use of an action: `pg::terminate_idle(\"main\", \"10m\").verify(..)`.",
    );
    words(page, STEP_OPTIONS);
    section(
        page,
        2,
        "Conditions",
        "A probe is compared by its main field, `probe.name` by another field of its reading.",
    );
    words(page, COMPARISONS);
    section(page, 2, "Helpers", "");
    words(page, HELPERS);
}

fn words(page: &mut String, words: &[Word]) {
    table(
        page,
        ["function", "does"],
        words.iter().map(|word| {
            let on = if word.on.is_empty() { "" } else { "." };
            [format!("`{on}{}{}`", word.name, word.signature), word.doc.to_owned()]
        }),
    );
}

fn probe_section(page: &mut String, adapter: &str, about: &AboutProbe, specs: &[ParameterSpec]) {
    section(page, 3, &format!("Probe `{adapter}::{}`", about.name), about.doc);
    parameters(page, specs);
    table(
        page,
        ["field", "is"],
        about.fields.iter().map(|field| {
            let main = if field.name == about.main_field { " (compared when none is named)" } else { "" };
            [format!("`{}`{main}", field.name), field.doc.to_owned()]
        }),
    );
    permissions(page, &about.permissions);
}

fn action_section(page: &mut String, adapter: &str, about: &About, specs: &[ParameterSpec]) {
    section(page, 3, &format!("Action `{adapter}::{}`", about.name), about.doc);
    push(page, format_args!("Undo: {}.\n\n", about.reversal));
    parameters(page, specs);
    permissions(page, &about.permissions);
}

fn parameters(page: &mut String, specs: &[ParameterSpec]) {
    if specs.is_empty() {
        return;
    }
    table(
        page,
        ["parameter", "type", "meaning"],
        specs.iter().map(|spec| {
            let optional = if spec.optional { ", may be left out" } else { "" };
            [format!("`{}`", spec.name), format!("{}{optional}", spec.kind.name()), spec.doc.to_owned()]
        }),
    );
}

fn permissions(page: &mut String, permissions: &[Permission]) {
    if permissions.is_empty() {
        return;
    }
    table(
        page,
        ["permission", "for"],
        permissions
            .iter()
            .map(|permission| [format!("`{}`", permission.right), permission.purpose.to_owned()]),
    );
}

//! The adapter's section of the configuration: raw to checked, without asking a server.

use std::time::Duration;

use selfheal_cluster::{label_name, selector};
use selfheal_contract::settings::Section;
use selfheal_core::span::Span;

/// What the section says, checked.
pub(crate) struct Settings {
    pub(crate) clusters: selfheal_cluster::Settings,
    pub(crate) commands: Vec<Command>,
    /// None when events are off.
    pub(crate) events: Option<Events>,
}

/// A command that rules may have run in pods.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    pub(crate) name: String,
    /// The container; the pod's first if there is none.
    pub(crate) container: Option<String>,
    pub(crate) argv: Vec<String>,
    /// The most pods in which one use may run it.
    pub(crate) pods_max: u32,
    /// How long it may take in one pod.
    pub(crate) timeout: Duration,
}

/// Which pods are listened to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Events {
    /// Their namespaces; empty means all.
    pub(crate) namespaces: Vec<String>,
    /// A label selector; empty means all.
    pub(crate) selector: String,
    /// Labels that every alert gets, so that it is the same alert as Prometheus'.
    pub(crate) labels: Vec<(String, String)>,
}

/// Arguments of a command.
const ARGUMENTS_MAX: usize = 64;

/// Reads the section; faults go to its collector.
pub(crate) fn check(section: &mut Section<'_>) -> Settings {
    let clusters = selfheal_cluster::check(section);
    let commands =
        section.map("commands").into_iter().map(|(name, command)| self::command(name, command)).collect();
    let events = events(section.section("events"), &clusters.namespaces);
    section.finish();
    Settings { clusters, commands, events }
}

fn command(name: &str, mut section: Section<'_>) -> Command {
    let container = section.optional_text("container");
    let argv = section.texts("argv");
    let command = Command {
        name: name.to_owned(),
        container,
        argv,
        pods_max: section.integer_or("pods_max", 10, 1..=100),
        timeout: section
            .span_or("timeout", Span::from_secs(60), Span::from_secs(1)..=Span::from_secs(600))
            .duration(),
    };
    if let Some(Err(failure)) = command.container.as_deref().map(|name| label_name("the container", name)) {
        section.reject("container", failure.what, None);
    }
    if command.argv.is_empty() {
        let help = "write the program and its arguments as a list: [find, /tmp, -mtime, \"+7\", -delete]";
        section.reject("argv", "a command needs at least a program", Some(help));
    }
    if command.argv.len() > ARGUMENTS_MAX {
        section.reject("argv", format!("more than {ARGUMENTS_MAX} arguments"), None);
    }
    section.finish();
    command
}

/// Reads about the pods that are listened to: where rules may act, unless it names fewer namespaces.
fn events(mut section: Section<'_>, act_in: &[String]) -> Option<Events> {
    let enabled = section.bool_or("enabled", false);
    let mut events = Events {
        namespaces: section.texts("namespaces"),
        selector: section.text_or("selector", ""),
        labels: section.text_map("labels"),
    };
    for namespace in &events.namespaces {
        if let Err(failure) = label_name("the namespace", namespace) {
            section.reject("namespaces", failure.what, None);
        } else if !act_in.is_empty() && !act_in.contains(namespace) {
            let problem = format!(
                "rules may not act in {namespace}, so that nothing could be done about what happens there"
            );
            section.reject(
                "namespaces",
                problem,
                Some("add it to the adapter's own namespaces, or take it away here"),
            );
        }
    }
    if events.namespaces.is_empty() {
        events.namespaces = act_in.to_vec();
    }
    if !events.selector.is_empty()
        && let Err(failure) = selector(&events.selector)
    {
        section.reject("selector", failure.what, None);
    }
    section.finish();
    enabled.then_some(events)
}

//! `rbac`: prints the roles that the rules and watches in use need of Kubernetes API servers.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use selfheal_script::{Compiler, Limits, RuleSet};
use serde_json::{Value, json};

use super::exit::{Exit, Failure};
use super::output::{self, Output};
use super::rules::configured;
use crate::config::FILE_VARIABLE;
use crate::rights::manifest::{Subject, manifest};
use crate::rights::{self, KubernetesNeeds};

#[derive(Debug, Args)]
pub(super) struct RbacArguments {
    /// The directory of rules; the configured one, if not given
    #[arg(long, value_name = "DIR")]
    pub(super) rules: Option<String>,
    /// The configuration whose adapters and watches are used
    #[arg(long, env = FILE_VARIABLE, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// The name of the roles and their bindings
    #[arg(long, default_value = "selfheal", value_name = "NAME", value_parser = object_name)]
    pub(super) name: String,
    /// The ServiceAccount that selfheal runs as
    #[arg(long, default_value = "selfheal", value_name = "NAME", value_parser = object_name)]
    pub(super) account: String,
    /// The namespace of that ServiceAccount
    #[arg(long, default_value = "selfheal", value_name = "NAME", value_parser = namespace_name)]
    pub(super) account_namespace: String,
    /// Grant what is in namespaces by a Role in this one only; may be given several times. Without, by a Role in each of
    /// adapters.kubernetes.namespaces, or by one ClusterRole if none are configured
    #[arg(long = "namespace", value_name = "NAME", value_parser = namespace_name)]
    pub(super) namespaces: Vec<String>,
}

/// A name as RFC 1123 has it for hosts, which most objects of Kubernetes must have.
fn object_name(text: &str) -> Result<String, String> {
    if text.len() <= 253 && text.split('.').all(is_label) {
        return Ok(text.to_owned());
    }
    let expected = "1 to 253 lower-case letters, digits, dashes and dots, every part between dots beginning and ending with a letter or digit";
    Err(format!("expected {expected}"))
}

/// One label of such a name: what a namespace must be called.
fn namespace_name(text: &str) -> Result<String, String> {
    if text.len() <= 63 && is_label(text) {
        return Ok(text.to_owned());
    }
    let expected =
        "1 to 63 lower-case letters, digits and dashes, beginning and ending with a letter or digit";
    Err(format!("expected {expected}"))
}

fn is_label(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.bytes().all(plain) && !text.starts_with('-') && !text.ends_with('-')
}

pub(super) fn run(arguments: RbacArguments, output: Output, out: &mut dyn Write) -> Result<Exit, Failure> {
    let RbacArguments { rules, config, name, account, account_namespace, namespaces } = arguments;
    let (configuration, catalog) = configured(config, rules)?;
    let (files, _) =
        crate::serve::rules(&configuration.rules).map_err(|fault| Failure::usage(fault.to_string()))?;
    let compiler = Compiler::new(&catalog, configuration.settings.clone(), Limits::default());
    let set = RuleSet::build(&compiler, files).map_err(|faults| {
        let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
        Failure::findings(format!("{}\nwithout the rules it cannot be told what they need", told.join("\n")))
    })?;
    let places = rights::kubernetes(&catalog, set.rules(), &namespaces);
    match output {
        Output::Text => {
            let subject = Subject { name, account, account_namespace };
            write!(out, "{}", manifest(&places, &subject))?;
        }
        Output::Json => {
            let of_place = |(namespace, rights): (&Option<String>, &KubernetesNeeds)| -> Vec<Value> {
                let one = |(right, by)| json!({ "namespace": namespace, "right": right, "needed_by": by });
                rights.iter().map(one).collect()
            };
            let all: Vec<Value> = places.iter().flat_map(of_place).collect();
            output::json(out, &all)?;
        }
    }
    Ok(Exit::Good)
}

#[cfg(test)]
#[path = "rbac_tests.rs"]
mod tests;

//! `rbac`: prints the roles that the rules and watches in use need of Kubernetes API servers.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use selfheal_script::{Compiler, Limits, RuleSet};
use serde_json::json;

use super::exit::{Exit, Failure};
use super::output::{self, Output};
use super::rules::configured;
use crate::config::FILE_VARIABLE;
use crate::rights::manifest::{Subject, manifest};
use crate::rights::{self};

#[derive(Debug, Args)]
pub(super) struct RbacArguments {
    /// The directory of rules; the configured one, if not given
    #[arg(long, value_name = "DIR")]
    pub(super) rules: Option<String>,
    /// The configuration whose adapters and watches are used
    #[arg(long, env = FILE_VARIABLE, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// The name of the roles and their bindings
    #[arg(long, default_value = "selfheal", value_name = "NAME")]
    pub(super) name: String,
    /// The ServiceAccount that selfheal runs as
    #[arg(long, default_value = "selfheal", value_name = "NAME")]
    pub(super) account: String,
    /// The namespace of that ServiceAccount
    #[arg(long, default_value = "selfheal", value_name = "NAME")]
    pub(super) account_namespace: String,
    /// Grant what is in namespaces by a Role in this one only; may be given several times. Without, by one ClusterRole
    #[arg(long = "namespace", value_name = "NAME")]
    pub(super) namespaces: Vec<String>,
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
    let rights = rights::kubernetes(&catalog, set.rules());
    match output {
        Output::Text => {
            let subject = Subject { name, account, account_namespace, namespaces };
            write!(out, "{}", manifest(&rights, &subject))?;
        }
        Output::Json => {
            let all: Vec<_> =
                rights.iter().map(|(right, by)| json!({ "right": right, "needed_by": by })).collect();
            output::json(out, &all)?;
        }
    }
    Ok(Exit::Good)
}

#[cfg(test)]
#[path = "rbac_tests.rs"]
mod tests;

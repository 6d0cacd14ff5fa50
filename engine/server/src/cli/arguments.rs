//! What can be typed: the commands, and what several of them take. What belongs to one command is beside what runs it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use selfheal_core::issue::IssueId;

use super::approvals::ApprovalsCommand;
use super::audit::AuditCommand;
use super::config::ConfigCommand;
use super::dry_run::DryRunArguments;
use super::issues::IssuesCommand;
use super::journal::JournalCommand;
use super::output::Output;
use super::rbac::RbacArguments;
use super::remediations::RemediationsCommand;
use super::rules::RulesCommand;
use super::silences::SilencesCommand;
use super::switch::SwitchCommand;
use crate::config::{FILE_VARIABLE, Overrides};
use crate::load::Place;

const EXIT_CODES: &str = "\
Exit codes:
   0  done; nothing was found
   1  what was checked has faults, or the server said no
   2  the command line or the configuration is faulty, or a file cannot be read
   3  the server cannot be reached, or cannot answer now
  70  selfheal itself failed

Environment:
  SELFHEAL_SERVER, SELFHEAL_TOKEN  for commands that ask a server
  SELFHEAL_CONFIG, SELFHEAL_LISTEN, SELFHEAL_DATA, SELFHEAL_RULES
                                   for commands that read the configuration
Flags beat the environment, which beats the configuration file.";

/// Heals systems when alerts arrive: rules decide, guards admit, adapters act, the journal remembers.
#[derive(Debug, Parser)]
#[command(name = "selfheal", version, after_help = EXIT_CODES, max_term_width = 110)]
pub(super) struct Arguments {
    /// How the answer is written: text for people, json for scripts
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORM")]
    pub(super) output: Output,

    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Receive alerts and heal, until told to stop
    Serve(PlaceArguments),
    /// Check and test rules, document what they can use, let one go on
    #[command(subcommand)]
    Rules(RulesCommand),
    /// Check the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Bring the schema of a journal on PostgreSQL up to date, as every start does
    ///
    /// For operators who let selfheal run with a role that may not change the schema: run this with one that may (JOURNAL_URL
    /// names it), before the new version starts. Processes that do so at the same time wait for one another.
    ///
    /// The role that selfheal then serves with, here `selfheal`, needs to be granted once, by the role that migrates, here
    /// `owner`:
    ///
    ///   GRANT USAGE ON SCHEMA public TO selfheal;
    ///   GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO selfheal;
    ///   ALTER DEFAULT PRIVILEGES FOR ROLE owner IN SCHEMA public
    ///     GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO selfheal;
    ///
    /// Where one role does both, it needs `GRANT USAGE, CREATE ON SCHEMA public`, and no more: the tables are then its own.
    /// `selfheal journal move` needs the role that migrates.
    #[command(verbatim_doc_comment)]
    Migrate(JournalArguments),
    /// Look after the journal
    #[command(subcommand)]
    Journal(JournalCommand),
    /// Show that nobody has altered what the journal's records say of who did what, nor how remediations ended
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Show what would be done about alerts, and change nothing
    ///
    /// For each alert: which rules were looked at and why each did or did not match, what was observed, the plan with a
    /// preview of every step, and every guard's verdict. Nothing is changed anywhere.
    ///
    /// With --server (or SELFHEAL_SERVER) a running server answers, knowing its cooldowns, rates and issues. Without one
    /// the configured rules and adapters answer from this process, with a history of nothing: no cooldown, rate or issue is known,
    /// and neither the configured journal nor the ledger is asked.
    DryRun(DryRunArguments),
    /// Look at issues and their stories
    Issues(Asking<IssuesCommand>),
    /// Say in plain sentences why something was or was not done about an issue, and what you can do now
    Explain {
        /// The issue: issue-17, or 17
        issue: IssueId,
        #[command(flatten)]
        server: ServerArguments,
    },
    /// Write the report of an incident, in Markdown
    ///
    /// Summary, timeline, cause as far as known, what was done with what it changed, verification, and what is left to do.
    Report {
        /// The issue: issue-17, or 17
        issue: IssueId,
        #[command(flatten)]
        server: ServerArguments,
    },
    /// Look at what was done, and take it back
    Remediations(Asking<RemediationsCommand>),
    /// Look at plans that wait for a person, and answer
    Approvals(Asking<ApprovalsCommand>),
    /// Keep the alert of an issue quiet at Alertmanager for a time, and end that
    Silences(Asking<SilencesCommand>),
    /// Look at the switch of automatic remediation, and turn it
    Switch(Asking<SwitchCommand>),
    /// Ask a server whether it takes alerts in, for health checks
    ///
    /// Ends with 0 when it does, also while something else does not work, which is printed; with 3 when it does not, cannot
    /// be reached, or is not selfheal. Needs no token.
    Ready(ServerArguments),
    /// Print the roles that the rules need of Kubernetes, and no more
    ///
    /// Reads the configured rules and adapters and prints Role or ClusterRole with their bindings as YAML, each verb with the
    /// rules that need it. Nothing is asked of a cluster.
    Rbac(RbacArguments),
    /// Print completions for a shell
    ///
    /// For bash: selfheal completions bash > ~/.local/share/bash-completion/completions/selfheal
    /// For zsh: selfheal completions zsh > a file named _selfheal in a directory of $fpath
    /// For fish: selfheal completions fish > ~/.config/fish/completions/selfheal.fish
    #[command(verbatim_doc_comment)]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the version
    Version,
}

/// A server that is asked.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Server")]
pub(super) struct ServerArguments {
    /// The server to ask [default: http://127.0.0.1:8400]
    #[arg(long, global = true, env = "SELFHEAL_SERVER", value_name = "URL")]
    pub(super) server: Option<String>,
    /// The API token; better given in the environment, where other users do not see it
    #[arg(long, global = true, env = "SELFHEAL_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub(super) token: Option<String>,
}

/// Commands that all ask a server.
#[derive(Debug, Args)]
pub(super) struct Asking<C: Subcommand> {
    #[command(flatten)]
    pub(super) server: ServerArguments,
    #[command(subcommand)]
    pub(super) command: C,
}

/// Where the configuration comes from.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct PlaceArguments {
    /// The configuration, a YAML file; without one, defaults and the environment hold
    #[arg(long, env = FILE_VARIABLE, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// The directory of rules [default: ./rules]
    #[arg(long, value_name = "DIR")]
    pub(super) rules: Option<String>,
    /// The directory for what must outlive the process [default: ./data]
    #[arg(long, value_name = "DIR")]
    pub(super) data: Option<String>,
    /// The address to serve HTTP on [default: 127.0.0.1:8400]
    #[arg(long, value_name = "ADDRESS")]
    pub(super) listen: Option<String>,
}

impl From<PlaceArguments> for Place {
    fn from(arguments: PlaceArguments) -> Self {
        let PlaceArguments { config, rules, data, listen } = arguments;
        Self {
            // An empty variable counts as not set, as everywhere.
            file: config.filter(|file| !file.as_os_str().is_empty()),
            overrides: Overrides { listen, data, rules },
            ..Self::default()
        }
    }
}

/// Where the journal is.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct JournalArguments {
    /// The configuration, a YAML file; without one, defaults and the environment hold
    #[arg(long, env = FILE_VARIABLE, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// The directory for what must outlive the process [default: ./data]
    #[arg(long, value_name = "DIR")]
    pub(super) data: Option<String>,
}

impl From<JournalArguments> for Place {
    fn from(JournalArguments { config, data }: JournalArguments) -> Self {
        PlaceArguments { config, data, ..PlaceArguments::default() }.into()
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    const HEAD: &str = "17:0000000000000000000000000000000000000000000000000000000000000000";

    #[test]
    fn the_definitions_hold_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn what_can_be_typed() {
        let signed = format!("{HEAD}:01234567:{}", &HEAD[3..]);
        let cases: [(&[&str], bool); 58] = [
            (&["serve", "--config", "x.yaml", "--listen", "127.0.0.1:0"], true),
            (&["rules", "check"], true),
            (&["rules", "check", "dir", "--output", "json"], true),
            (&["rules", "test", "dir", "--coverage-min", "100"], true),
            (&["rules", "test", "--filter", "redis", "--output", "json"], true),
            (&["rules", "test", "--filter", "redis", "--coverage-min", "101"], false),
            (&["rules", "release", "r", "--server", "http://h:1"], true),
            (&["dry-run", "-", "--rule", "r.rhai"], true),
            (&["dry-run"], false),
            (&["audit", "verify", "--data", "d", "--head", HEAD, "--head", HEAD], true),
            (&["audit", "verify", "--head", &signed], true),
            (&["audit", "verify", "--head", "17"], false),
            (&["audit", "export", "--config", "x.yaml"], true),
            (&["issues", "list", "--open", "--limit", "1000"], true),
            (&["issues", "list", "--open=false"], true),
            (&["issues", "list", "--limit", "1001"], false),
            (&["approvals", "grant", "id", "--plan", "abc"], true),
            (&["issues", "list", "--phase", "rested", "--outcome", "recovered"], true),
            (&["issues", "list", "--phase", "gone"], false),
            (&["issues", "list", "--outcome", "gone"], false),
            (&["issues", "list", "--before", "issue-17"], true),
            (
                &[
                    "issues",
                    "list",
                    "--severity",
                    "P1",
                    "--namespace",
                    "shop",
                    "--since",
                    "2h",
                    "--text",
                    "x",
                ],
                true,
            ),
            (&["issues", "list", "--since", "yesterday"], false),
            (&["issues", "list", "--component", "kitchen"], false),
            (&["remediations", "list", "--resource", "cache-1", "--outcome", "kept", "--since", "1d"], true),
            (&["issues", "show", "../switch"], false),
            (&["issues", "--server", "http://h:1", "list", "--token", "t"], true),
            (&["serve", "--server", "http://h:1"], false),
            (&["rules", "check", "--token", "t"], false),
            (&["rules", "list", "--token", "t"], true),
            (&["config", "check", "--server", "http://h:1"], false),
            (&["config", "check", "--config", "x.yaml", "--without-secrets"], true),
            (&["serve", "--without-secrets"], false),
            (&["rbac", "--namespace", "shop", "--namespace", "pay", "--name", "team.selfheal"], true),
            (&["rbac", "--namespace", "Bad_NS"], false),
            (&["rbac", "--namespace", "a.b"], false),
            (&["rbac", "--name", "x y"], false),
            (&["rbac", "--account", ""], false),
            (&["rbac", "--account-namespace", "-x"], false),
            (&["migrate", "--data", "d", "--config", "x.yaml"], true),
            (&["migrate", "--listen", "127.0.0.1:0"], false),
            (&["journal", "move", "--rules", "r"], false),
            (&["dry-run", "-", "--server", "http://h:1"], true),
            (&["explain", "17"], true),
            (&["explain"], false),
            (&["report", "issue-17", "--output", "json"], true),
            (&["remediations", "list", "--running", "--issue", "17"], true),
            (&["remediations", "rollback", "remediation-17-1", "--reason", "x"], true),
            (&["completions", "fish"], true),
            (&["completions", "cmd"], false),
            (&["silences", "add", "17", "--for", "2h", "--reason", "known"], true),
            (&["silences", "add", "17"], false),
            (&["silences", "add", "17", "--for", "2 hours"], false),
            (&["ready", "--server", "http://h:1"], true),
            (&["switch", "off"], false),
            (&["switch", "off", "--reason", "why"], true),
            (&["version", "--output", "yaml"], false),
            (&["fix-everything"], false),
        ];
        for (words, good) in cases {
            let parsed = Arguments::try_parse_from(std::iter::once(&"selfheal").chain(words));
            assert_eq!(parsed.is_ok(), good, "{words:?}: {:?}", parsed.err());
        }
    }
}

//! What can be typed.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand};
use selfheal_core::audit::{Checkpoint, Head, NotAHead};
use selfheal_core::span::Span;

use super::output::Output;
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

    /// The server to ask [default: http://127.0.0.1:8400]
    #[arg(long, global = true, env = "SELFHEAL_SERVER", value_name = "URL")]
    pub(super) server: Option<String>,

    /// The API token; better given in the environment, where other users do not see it
    #[arg(long, global = true, env = "SELFHEAL_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub(super) token: Option<String>,

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
    /// For operators who let selfheal run with a role that may not change the schema: run this with one that may, before
    /// the new version starts. Processes that do so at the same time wait for one another.
    Migrate(PlaceArguments),
    /// Look after the journal
    #[command(subcommand)]
    Journal(JournalCommand),
    /// Show that nobody has altered what the journal says of who did what
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Show what would be done about alerts, and change nothing
    ///
    /// For each alert: which rules were looked at and why each did or did not match, what was observed, the plan with a
    /// preview of every step, and every guard's verdict. Nothing is changed anywhere.
    ///
    /// With --server (or SELFHEAL_SERVER) a running server answers, knowing its cooldowns, rates and issues. Without one
    /// the configured rules and adapters answer from this process, with a history of nothing.
    DryRun(DryRunArguments),
    /// Look at issues and their stories
    #[command(subcommand)]
    Issues(IssuesCommand),
    /// Say in plain sentences why something was or was not done about an issue, and what you can do now
    Explain {
        /// The issue: issue-17, or 17
        issue: String,
    },
    /// Write the report of an incident, in Markdown
    ///
    /// Summary, timeline, cause as far as known, what was done with what it changed, verification, and what is left to do.
    Report {
        /// The issue: issue-17, or 17
        issue: String,
    },
    /// Look at what was done, and take it back
    #[command(subcommand)]
    Remediations(RemediationsCommand),
    /// Look at plans that wait for a person, and answer
    #[command(subcommand)]
    Approvals(ApprovalsCommand),
    /// Keep the alert of an issue quiet at Alertmanager for a time, and end that
    #[command(subcommand)]
    Silences(SilencesCommand),
    /// Look at the switch of automatic remediation, and turn it
    #[command(subcommand)]
    Switch(SwitchCommand),
    /// Ask a server whether it takes alerts in, for health checks
    ///
    /// Ends with 0 when it does, also while something else does not work, which is printed; with 3 when it does not, or
    /// cannot be reached. Needs no token.
    Ready,
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
        }
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum RulesCommand {
    /// Compile all rules and say what is wrong with them, like a compiler
    Check {
        /// The directory of rules; the configured one, if not given
        dir: Option<String>,
        /// The configuration whose adapters and settings the rules use
        #[arg(long, env = FILE_VARIABLE, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Run the tests of rules, DIR/tests/*.yaml, and say which statements of the rules they do not reach
    ///
    /// Each test names alerts, what probes read, and what happened before; and expects which rules match, what they
    /// plan, what the guards say, what is done and what people are told. The real engine runs it in virtual time; no
    /// target is touched, and neither configuration nor environment is read. The form is documented in
    /// rules/tests/README.md.
    ///
    /// Ends with 0 when all tests passed; 1 when one failed, a rule does not compile or coverage is too low; 2 when a
    /// file of tests is faulty, or there is no test.
    Test(TestArguments),
    /// Print what rules can use: the language, actions, probes (Markdown)
    Reference {
        /// The configuration whose adapters are documented
        #[arg(long, env = FILE_VARIABLE, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Print the editor definitions of what rules can use (.d.rhai)
    Definitions {
        /// The configuration whose adapters are defined
        #[arg(long, env = FILE_VARIABLE, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Show the rules that a server has in use
    List,
    /// Let a rule go on for an hour although it is flooded with new issues
    Release {
        /// The rule's name
        rule: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct TestArguments {
    /// The directory of rules, with their tests in its folder `tests`
    #[arg(default_value = "rules")]
    pub(super) dir: String,
    /// Only tests whose `file: name` contains this; coverage is not shown then
    #[arg(long, value_name = "TEXT", conflicts_with = "coverage_min")]
    pub(super) filter: Option<String>,
    /// The least share of each rule's statements that the tests must reach, in percent
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    pub(super) coverage_min: Option<u8>,
}

#[derive(Debug, Subcommand)]
pub(super) enum JournalCommand {
    /// Move the journal from SQLite to PostgreSQL
    ///
    /// Everything in the SQLite journal below the data directory is copied to the PostgreSQL database of journal.url,
    /// which must be empty, in one transaction. Before that is committed, every table is read back, and its rows and
    /// their hash are compared. The SQLite journal stays as it is. Stop selfheal first: a journal in use is refused.
    Move(PlaceArguments),
}

#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// Go over the whole audit chain and name what was altered, removed, swapped or cut off
    ///
    /// Reads the journal itself, also while selfheal serves it, and changes nothing. With audit.key in the configuration,
    /// signatures are verified: nobody without the key can have made the chain anew, or have written that retention
    /// forgot what somebody removed. What was changed since the last signature, or with everything after it, is whole in
    /// itself: give a head that was noted elsewhere before, from the log or from `selfheal audit head`, and it is found
    /// out. Ends with 1 when something was found.
    Verify {
        #[command(flatten)]
        place: JournalArguments,
        /// A head that the chain once had, with its signature or without; may be given several times
        #[arg(long = "head", value_name = "SEQ:HASH[:KEY:SIGNATURE]")]
        heads: Vec<NotedHead>,
    },
    /// Print where the chain ends, to be kept where nobody who can write the journal can change it; signed, if audit.key
    /// is set
    Head(JournalArguments),
    /// Print every link with its record, as lines of JSON, oldest first
    Export(JournalArguments),
}

/// A head that was noted elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NotedHead {
    Plain(Head),
    Signed(Checkpoint),
}

impl FromStr for NotedHead {
    type Err = NotAHead;

    fn from_str(text: &str) -> Result<Self, NotAHead> {
        text.parse().map(Self::Signed).or_else(|_| text.parse().map(Self::Plain))
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

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Check the whole configuration and show what is in force
    Check(PlaceArguments),
}

#[derive(Debug, Args)]
pub(super) struct DryRunArguments {
    /// What Alertmanager posts: a file with the JSON body, or - for standard input
    pub(super) file: PathBuf,
    /// Try this rule in place of the one of its name, or beside the others
    #[arg(long, value_name = "FILE")]
    pub(super) rule: Option<PathBuf>,
    /// The configuration, without a server
    #[arg(long, env = FILE_VARIABLE, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// The directory of rules, without a server [default: ./rules]
    #[arg(long, value_name = "DIR")]
    pub(super) rules: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(super) enum IssuesCommand {
    /// List issues, newest first
    List {
        /// At most this many
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
        /// Only open ones (true) or closed ones (false)
        #[arg(long, num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
        open: Option<bool>,
        /// Only in this phase: waiting, awaiting_approval, remediating, rested, closed
        #[arg(long)]
        phase: Option<String>,
        /// Only with this outcome: recovered, unwound, stuck, refused, shadowed, unmatched, ...
        #[arg(long)]
        outcome: Option<String>,
        /// Only treated by this rule
        #[arg(long)]
        rule: Option<String>,
        /// Only those before this one
        #[arg(long, value_name = "ISSUE")]
        before: Option<String>,
    },
    /// Say that you have taken an issue in hand: nobody else is told about it then
    Acknowledge {
        /// The issue: issue-17, or 17
        issue: String,
        /// Why, for the record
        #[arg(long, default_value = "", hide_default_value = true)]
        reason: String,
    },
    /// Tell an issue's whole story, from receipt to outcome
    Show {
        /// The issue: issue-17, or 17
        issue: String,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum RemediationsCommand {
    /// List remediations, newest first
    List {
        /// At most this many
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
        /// Only of this issue
        #[arg(long)]
        issue: Option<String>,
        /// Only running ones (true) or ended ones (false)
        #[arg(long, num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
        running: Option<bool>,
        /// Only those before this one
        #[arg(long, value_name = "REMEDIATION")]
        before: Option<String>,
    },
    /// Show one remediation with its steps
    Show {
        /// The remediation: remediation-17-1
        remediation: String,
    },
    /// Take back what an ended remediation applied, last first
    Rollback {
        /// The remediation: remediation-17-1
        remediation: String,
        /// Why, for the record
        #[arg(long, default_value = "", hide_default_value = true)]
        reason: String,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum ApprovalsCommand {
    /// List plans that wait for a person
    List {
        /// Also those that were answered or have expired
        #[arg(long)]
        all: bool,
    },
    /// Show one plan with the previews of its steps
    Show {
        /// The approval's id
        id: String,
    },
    /// Let a plan run
    Grant(AnswerArguments),
    /// Keep a plan from running
    Refuse(AnswerArguments),
}

#[derive(Debug, Args)]
pub(super) struct AnswerArguments {
    /// The approval's id
    pub(super) id: String,
    /// Why, for the record
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(super) reason: String,
    /// Only if the plan's hash begins so, as it was shown
    #[arg(long, value_name = "HASH")]
    pub(super) plan: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(super) enum SilencesCommand {
    /// List the silences that stand at Alertmanager, whoever made them
    List,
    /// Keep the alert of an issue quiet: Alertmanager tells nobody of it, and selfheal does nothing about it
    ///
    /// Done again, it changes the end of the silence. It needs alertmanager.urls in the server's configuration.
    Add {
        /// The issue: issue-17, or 17
        issue: String,
        /// For how long, from now on: 1m to 31d
        #[arg(long = "for", value_name = "DURATION")]
        duration: Span,
        /// Why, for the record and for Alertmanager's comment
        #[arg(long, default_value = "", hide_default_value = true)]
        reason: String,
    },
    /// End the silence of an issue's alert before its time
    End {
        /// The issue: issue-17, or 17
        issue: String,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum SwitchCommand {
    /// Show where the switch stands, who turned it, and why
    Show,
    /// Turn automatic remediation on
    On {
        /// Why, for the record
        #[arg(long)]
        reason: String,
    },
    /// Turn automatic remediation off; what is under way is finished
    Off {
        /// Why, for the record
        #[arg(long)]
        reason: String,
    },
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
        let cases: [(&[&str], bool); 32] = [
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

//! `audit`: goes over the chain that links every record of the journal to those before it. It reads the journal itself,
//! without a server, for who must be believed is not to be asked.

use std::io::Write;
use std::str::FromStr;

use clap::Subcommand;
use selfheal_core::audit::{Checkpoint, Finding, Head, Key, NotAHead, Numbers, Verified};
use selfheal_runtime::ports::journal::{Audit, AuditEntry, verify};
use selfheal_runtime::ports::{JournalFault, JournalFaultKind};
use selfheal_store::{PostgresAudit, SqliteAudit};
use serde::Serialize;
use serde_json::{Value, json};

use super::arguments::JournalArguments;
use super::exit::{Exit, Failure};
use super::output::{self, Output};
use crate::{assemble, config, load};

/// Links that are read at a time.
const PAGE: usize = 1000;

#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// Go over the whole audit chain and name what was altered, removed, swapped or cut off
    ///
    /// The chain covers the records, of which stories and timelines are made. Issues that are gone are named by their records,
    /// and outcome, approver and plan of a remediation that has ended are held against the record of its end. Not covered is
    /// what else tables say: where an issue stands, single intents, approvals that wait, settings, statistics.
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

pub(super) async fn run(command: AuditCommand, output: Output, out: &mut dyn Write) -> Result<Exit, Failure> {
    match command {
        AuditCommand::Verify { place, heads } => {
            let (audit, keys) = open(place)?;
            let keys = keys.verifying();
            let known = known(heads, &keys)?;
            let noted = known.len();
            let verified = verify(&*audit, known, keys.clone()).await.map_err(failure)?;
            match output {
                Output::Json => output::json(out, &as_json(&verified))?,
                Output::Text => write!(out, "{}", as_text(&verified, noted, !keys.is_empty()))?,
            }
            Ok(if verified.findings.is_empty() { Exit::Good } else { Exit::Findings })
        }
        AuditCommand::Head(place) => {
            let (audit, keys) = open(place)?;
            let head = audit.chain().await.map_err(failure)?.head;
            let signed = keys.signing().map(|key| key.sign(head, &Numbers::default()).to_string());
            match output {
                Output::Text => writeln!(out, "{}", signed.unwrap_or_else(|| head.to_string()))?,
                Output::Json => output::json(out, &json!({ "head": head.to_string(), "signed": signed }))?,
            }
            Ok(Exit::Good)
        }
        AuditCommand::Export(place) => export(&*open(place)?.0, out).await,
    }
}

/// The chain, and the keys of its signatures.
fn open(place: JournalArguments) -> Result<(Box<dyn Audit>, config::Audit), Failure> {
    let configuration =
        load::configuration(&place.into()).map_err(|fault| Failure::usage(fault.to_string()))?;
    if let Some(settings) = assemble::postgres(&configuration.journal) {
        let audit = PostgresAudit::new(&settings).map_err(|fault| Failure::usage(fault.to_string()))?;
        return Ok((Box::new(audit), configuration.audit));
    }
    let path = configuration.journal_path();
    if !path.exists() {
        let help = "give --data, or --config, as to selfheal serve";
        return Err(Failure::usage(format!("there is no journal at {}; {help}", path.display())));
    }
    let audit = SqliteAudit::open(&path).map_err(|fault| Failure::usage(fault.to_string()))?;
    Ok((Box::new(audit), configuration.audit))
}

/// Heads that were noted elsewhere. One that is signed must be signed well, if there is a key to tell.
fn known(noted: Vec<NotedHead>, keys: &[Key]) -> Result<Vec<Head>, Failure> {
    let known = noted.into_iter().map(|noted| match noted {
        NotedHead::Plain(head) => Ok(head),
        NotedHead::Signed(signed) if keys.is_empty() || signed.is_signed_by(keys) => Ok(signed.head),
        NotedHead::Signed(signed) => Err(Failure::usage(format!(
            "--head {}: its signature is by none of audit.key and audit.old_keys; look for a genuine one, or give the head \
             without key and signature to go by it nevertheless",
            signed.head
        ))),
    });
    known.collect()
}

/// A finding by its name and members, and as a sentence.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    finding: &'a Finding,
    text: String,
}

fn as_json(verified: &Verified) -> Value {
    let told = |finding| Told { finding, text: Finding::to_string(finding) };
    let findings: Vec<_> = verified.findings.iter().map(told).collect();
    json!({
        "whole": findings.is_empty(),
        "head": verified.head.to_string(),
        "links": verified.links,
        "signed": verified.signed,
        "forgotten": verified.forgotten,
        "findings": findings,
        "more": verified.more,
    })
}

/// What was found, and what could not be with so many heads and with or without a key.
fn as_text(verified: &Verified, noted: usize, keys: bool) -> String {
    let Verified { head, links, forgotten, signed, findings, more } = verified;
    let mut text: String = findings.iter().map(|finding| format!("{finding}\n")).collect();
    if *more > 0 {
        text += &format!("and {more} more findings\n");
    }
    let told =
        format!("{links} links, the records of {forgotten} of them forgotten by retention; head {head}\n");
    let (whole, verdict) = match (findings.is_empty(), noted, keys) {
        (false, ..) => (false, "the journal was changed"),
        (true, 0, false) => (true, "the journal is whole in itself"),
        (true, 0, true) => (true, "the journal is whole, and signed"),
        (true, ..) => (true, "nothing was changed"),
    };
    text += &format!("{verdict}: {told}");
    if whole && keys && *signed == 0 {
        text += "only its start is signed yet; what was added since is signed within the hour\n";
    } else if whole && keys {
        text += &format!("signatures are over the links up to {signed}\n");
    } else if whole {
        text +=
            "without audit.key it cannot be told whether retention has forgotten what it says that it has\n";
    }
    if whole && noted == 0 {
        text += match keys {
            true => {
                "give --head, noted elsewhere before, to see that nothing was cut off or made anew since\n"
            }
            false => "give --head, noted elsewhere before, to see that it was not made anew\n",
        };
    }
    text
}

async fn export(audit: &dyn Audit, out: &mut dyn Write) -> Result<Exit, Failure> {
    let mut after = 0;
    loop {
        let page = audit.links(after, PAGE).await.map_err(failure)?;
        let Some(last) = page.last() else { return Ok(Exit::Good) };
        after = last.link.seq;
        for AuditEntry { link, record } in &page {
            let record = record.as_ref().map(|(_, record)| record);
            serde_json::to_writer(&mut *out, &json!({ "link": link, "record": record }))
                .map_err(std::io::Error::from)?;
            writeln!(out)?;
        }
    }
}

fn failure(fault: JournalFault) -> Failure {
    let exit = match fault.kind {
        JournalFaultKind::Unavailable => Exit::Unreachable,
        _ => Exit::Internal,
    };
    Failure::new(exit, format!("the journal cannot be read: {}", fault.what))
}

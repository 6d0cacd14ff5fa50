//! `audit`: goes over the chain that links every record of the journal to those before it. It reads the journal itself,
//! without a server, for who must be believed is not to be asked.

use std::io::Write;

use selfheal_core::audit::{Finding, Head};
use selfheal_runtime::ports::journal::{Audit, AuditEntry, verify};
use selfheal_runtime::ports::{JournalFault, JournalFaultKind};
use selfheal_store::{PostgresAudit, SqliteAudit};
use serde::Serialize;
use serde_json::json;

use super::arguments::{AuditCommand, JournalArguments};
use super::exit::{Exit, Failure};
use super::output::{self, Output};
use crate::assemble;
use crate::load;

/// Links that are read at a time.
const PAGE: usize = 1000;

pub(super) async fn run(command: AuditCommand, output: Output, out: &mut dyn Write) -> Result<Exit, Failure> {
    match command {
        AuditCommand::Verify { place, heads } => verify_all(&*open(place)?, heads, output, out).await,
        AuditCommand::Head(place) => {
            let head = open(place)?.chain().await.map_err(failure)?.head;
            match output {
                Output::Text => writeln!(out, "{head}")?,
                Output::Json => output::json(out, &json!({ "head": head.to_string() }))?,
            }
            Ok(Exit::Good)
        }
        AuditCommand::Export(place) => export(&*open(place)?, out).await,
    }
}

fn open(place: JournalArguments) -> Result<Box<dyn Audit>, Failure> {
    let configuration =
        load::configuration(&place.into()).map_err(|fault| Failure::usage(fault.to_string()))?;
    if let Some(settings) = assemble::postgres(&configuration.journal) {
        let audit = PostgresAudit::new(&settings).map_err(|fault| Failure::usage(fault.to_string()))?;
        return Ok(Box::new(audit));
    }
    let path = configuration.journal_path();
    if !path.exists() {
        let help = "give --data, or --config, as to selfheal serve";
        return Err(Failure::usage(format!("there is no journal at {}; {help}", path.display())));
    }
    let audit = SqliteAudit::open(&path).map_err(|fault| Failure::usage(fault.to_string()))?;
    Ok(Box::new(audit))
}

/// A finding by its name and members, and as a sentence.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    finding: &'a Finding,
    text: String,
}

async fn verify_all(
    audit: &dyn Audit,
    heads: Vec<Head>,
    output: Output,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let known = heads.len();
    let verified = verify(audit, heads).await.map_err(failure)?;
    let (head, links, forgotten, more) = (verified.head, verified.links, verified.forgotten, verified.more);
    let whole = verified.findings.is_empty();
    match output {
        Output::Json => {
            let told = |finding| Told { finding, text: Finding::to_string(finding) };
            let findings: Vec<_> = verified.findings.iter().map(told).collect();
            let head = head.to_string();
            let answer = json!({
                "whole": whole, "head": head, "links": links, "forgotten": forgotten, "findings": findings, "more": more,
            });
            output::json(out, &answer)?;
        }
        Output::Text => {
            for finding in &verified.findings {
                writeln!(out, "{finding}")?;
            }
            if more > 0 {
                writeln!(out, "and {more} more findings")?;
            }
            let told = format!(
                "{links} links, the records of {forgotten} of them forgotten by retention; head {head}"
            );
            match (whole, known) {
                (false, _) => writeln!(out, "the journal was changed: {told}")?,
                (true, 0) => {
                    writeln!(out, "the journal is whole in itself: {told}")?;
                    writeln!(
                        out,
                        "give --head SEQ:HASH, noted elsewhere before, to see that it was not made anew"
                    )?;
                }
                (true, _) => writeln!(out, "nothing was changed: {told}")?,
            }
        }
    }
    Ok(if whole { Exit::Good } else { Exit::Findings })
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

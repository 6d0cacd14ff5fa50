//! `migrate` and `journal move`: what is done to a journal while selfheal does not run, or before a new version does.

use std::io::Write;

use clap::Subcommand;
use selfheal_store::{
    MoveFault, OpenFaultKind, PostgresFault, PostgresFaultKind, PostgresJournal, PostgresSettings,
};
use serde_json::json;

use super::arguments::JournalArguments;
use super::exit::{Exit, Failure};
use super::output::{self, Output};
use crate::assemble;
use crate::config::Configuration;
use crate::load::{self, Place};

#[derive(Debug, Subcommand)]
pub(super) enum JournalCommand {
    /// Move the journal from SQLite to PostgreSQL
    ///
    /// Everything in the SQLite journal below the data directory is copied to the PostgreSQL database of journal.url,
    /// which must be empty, in one transaction. Before that is committed, every table is read back, and its rows and
    /// their hash are compared. The SQLite journal stays as it is. Stop selfheal first: a journal in use is refused.
    Move(JournalArguments),
}

/// Brings the schema up to date.
pub(super) async fn migrate(place: &Place, output: Output, out: &mut dyn Write) -> Result<Exit, Failure> {
    let (_, settings) = target(place)?;
    let (found, now) = PostgresJournal::migrate(&settings).await.map_err(failure)?;
    match output {
        Output::Json => output::json(out, &json!({ "found": found, "version": now }))?,
        Output::Text if found == now => writeln!(out, "the journal's schema has version {now} already")?,
        Output::Text => writeln!(out, "the journal's schema went from version {found} to {now}")?,
    }
    Ok(Exit::Good)
}

/// Copies the SQLite journal to PostgreSQL.
pub(super) async fn move_to_postgres(
    place: &Place,
    output: Output,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let (configuration, settings) = target(place)?;
    let path = configuration.journal_path();
    if !path.exists() {
        let help = "set data and journal.path to where the SQLite journal is";
        return Err(Failure::usage(format!("there is no journal at {}; {help}", path.display())));
    }
    let moved = selfheal_store::move_journal(&path, &settings).await;
    let moved = moved.map_err(not_moved)?;
    match output {
        Output::Json => output::json(out, &json!({ "tables": moved }))?,
        Output::Text => {
            for table in &moved {
                writeln!(out, "{:<14}{:>10}  {}", table.name, table.rows, table.hash.short())?;
            }
            writeln!(
                out,
                "everything is on PostgreSQL and was compared; {} was left as it is",
                path.display()
            )?;
        }
    }
    Ok(Exit::Good)
}

fn target(place: &Place) -> Result<(Configuration, PostgresSettings), Failure> {
    let configuration = load::configuration(place).map_err(|fault| Failure::usage(fault.to_string()))?;
    let settings = assemble::postgres(&configuration.journal).ok_or_else(|| {
        Failure::usage(
            "there is no journal on PostgreSQL; set journal.url, or JOURNAL_URL, to postgres://...",
        )
    })?;
    Ok((configuration, settings))
}

fn not_moved(fault: MoveFault) -> Failure {
    let exit = match &fault {
        MoveFault::Source(source) => match source.kind {
            OpenFaultKind::InUse | OpenFaultKind::Damaged | OpenFaultKind::Unusable => Exit::Usage,
            OpenFaultKind::Newer => Exit::Findings,
        },
        MoveFault::Unreadable(_) => Exit::Usage,
        MoveFault::Target(target) => exit_of(target.kind),
        // Nearly always the connection is lost on the way.
        MoveFault::Unwritable(_) => Exit::Unreachable,
        MoveFault::NotEmpty(_) | MoveFault::Differs { .. } => Exit::Findings,
    };
    Failure::new(exit, fault.to_string())
}

fn failure(fault: PostgresFault) -> Failure {
    Failure::new(exit_of(fault.kind), fault.to_string())
}

fn exit_of(kind: PostgresFaultKind) -> Exit {
    match kind {
        PostgresFaultKind::Settings => Exit::Usage,
        PostgresFaultKind::Newer => Exit::Findings,
        PostgresFaultKind::Unreachable | PostgresFaultKind::Refused | PostgresFaultKind::Migration => {
            Exit::Unreachable
        }
    }
}

#[cfg(test)]
mod tests {
    use selfheal_core::hash::ContentHash;
    use selfheal_store::OpenFault;

    use super::*;

    #[test]
    fn scripts_are_told_why_nothing_was_moved() {
        let source =
            |kind| MoveFault::Source(OpenFault { kind, path: "j.sqlite".into(), what: "x".to_owned() });
        let target = |kind| MoveFault::Target(PostgresFault { kind, what: "x".to_owned() });
        let hash = ContentHash::of_parts([]);
        let differs = MoveFault::Differs { table: "t", wrote: 1, hash_wrote: hash, read: 2, hash_read: hash };
        let cases = [
            (source(OpenFaultKind::InUse), Exit::Usage),
            (source(OpenFaultKind::Damaged), Exit::Usage),
            (source(OpenFaultKind::Unusable), Exit::Usage),
            (source(OpenFaultKind::Newer), Exit::Findings),
            (target(PostgresFaultKind::Settings), Exit::Usage),
            (target(PostgresFaultKind::Unreachable), Exit::Unreachable),
            (target(PostgresFaultKind::Refused), Exit::Unreachable),
            (target(PostgresFaultKind::Migration), Exit::Unreachable),
            (target(PostgresFaultKind::Newer), Exit::Findings),
            (MoveFault::Unwritable("x".to_owned()), Exit::Unreachable),
            (MoveFault::NotEmpty("issues"), Exit::Findings),
            (differs, Exit::Findings),
        ];
        for (fault, exit) in cases {
            let text = fault.to_string();
            assert_eq!(not_moved(fault), Failure::new(exit, text));
        }
    }
}

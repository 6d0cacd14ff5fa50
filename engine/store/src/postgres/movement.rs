//! How an issue moves on: the ways of [`Phase::next`], the one table, as statements that change a row only from a phase
//! that the event leads on from. One changed row is the proof that the precondition held.

use std::sync::LazyLock;

use selfheal_core::issue::{Event, Phase};

/// The statement of each event.
static STATEMENTS: LazyLock<Vec<(Event, String)>> = LazyLock::new(|| {
    let events = [Event::Hold, Event::Ask, Event::Begin, Event::Rest, Event::Close];
    events.into_iter().map(|event| (event, statement(event))).collect()
});

fn statement(event: Event) -> String {
    let ways: Vec<(Phase, Phase)> =
        Phase::NAMES.iter().filter_map(|(_, from)| Some((*from, from.next(event)?))).collect();
    let closes = ways.iter().all(|(_, to)| !to.is_open());
    assert!(closes || ways.iter().all(|(_, to)| to.is_open()), "an event either closes or does not");
    let to: Vec<String> = ways.iter().map(|(from, to)| format!("WHEN '{from}' THEN '{to}'")).collect();
    let from: Vec<String> = ways.iter().map(|(from, _)| format!("'{from}'")).collect();
    // What was called for since it was taken is looked at again.
    // Only what is resolved may close, and what is resolved is looked at until it is closed.
    let (how, only_if) = if closes {
        ("wake_at = $2, closed_at = $5::bigint", " AND resolved_at IS NOT NULL")
    } else {
        (
            "wake_at = CASE WHEN again THEN least($2, $5::bigint)
                 ELSE coalesce($2, CASE WHEN resolved_at IS NOT NULL THEN $5::bigint END) END",
            "",
        )
    };
    format!(
        "UPDATE issues SET phase = CASE phase {} END, {how}, outcome = coalesce($3, outcome), why = $4
         WHERE id = $1 AND phase IN ({}){only_if}",
        to.join(" "),
        from.join(", ")
    )
}

/// The statement by which an event moves an issue: its number, the next look, the outcome, why, the time.
pub(super) fn statement_of(event: Event) -> &'static str {
    let found = STATEMENTS.iter().find(|(of, _)| *of == event);
    found.map(|(_, statement)| statement.as_str()).expect("there is a statement for every event")
}

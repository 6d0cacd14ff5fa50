//! What every journal must do, as cases that run for each implementation.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

mod audit;
mod effects;
mod holds;
mod intake;
mod issues;
mod people;
mod place;
mod retention;
mod sample;

/// Runs every case against a fresh journal of each kind that outlives its process.
macro_rules! stored {
    ($sqlite:ident, $postgres:ident: $($room:ident::$case:ident),+ $(,)?) => {
        mod $sqlite {
            $(
                #[tokio::test]
                async fn $case() {
                    let folder = tempfile::tempdir().unwrap();
                    let journal = selfheal_store::SqliteJournal::open(&folder.path().join("journal.db")).unwrap();
                    super::$room::$case(&journal).await;
                }
            )+
        }

        mod $postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let Some(journal) = super::place::postgres(stringify!($case)).await else { return };
                    super::$room::$case(&journal).await;
                }
            )+
        }
    };
}

/// Runs every case against a fresh journal of each kind.
macro_rules! cases {
    ($($room:ident::$case:ident),+ $(,)?) => {
        mod memory {
            $(
                #[tokio::test]
                async fn $case() {
                    super::$room::$case(&selfheal_runtime::simulation::MemoryJournal::default()).await;
                }
            )+
        }

        stored! { sqlite, postgres: $($room::$case),+ }
    };
}

cases! {
    intake::receipts_are_numbered_and_listed_until_they_are_expanded,
    intake::sightings_follow_the_table,
    intake::expanding_again_changes_nothing,
    intake::what_is_told_of_an_issue_that_opens_is_written_with_it,
    intake::an_alert_resolved_before_it_was_seen_is_closed_at_once,
    intake::what_is_said_about_a_known_alert_is_kept_up_to_date,
    intake::starts_are_told_apart_by_the_millisecond,
    intake::an_end_with_an_earlier_start_ends_the_issue,
    intake::many_sightings_are_answered_in_their_order,
    issues::every_event_goes_by_the_table,
    issues::what_is_resolved_is_looked_at_until_it_is_closed,
    issues::a_conflict_changes_nothing_of_its_transaction,
    issues::issues_are_listed_newest_first_and_by_filter,
    issues::rule_and_level_are_replaced,
    issues::a_story_has_everything_in_order,
    issues::concurrent_commits_move_an_issue_once,
    issues::episodes_tell_each_issue_with_its_remediations,
    holds::what_is_due_is_taken_soonest_first_and_once,
    holds::what_the_caller_holds_is_not_taken_whatever_the_clock_says,
    holds::what_is_under_remediation_is_taken_without_a_time,
    holds::a_new_issue_is_taken_by_whoever_opens_it,
    holds::nothing_is_written_in_an_earlier_epoch,
    holds::one_is_taken_whatever_its_time,
    holds::what_was_called_for_during_a_look_is_looked_at_again,
    holds::what_is_resolved_with_its_opening_is_looked_at_again,
    holds::a_call_never_puts_a_look_off,
    holds::everything_is_free_for_the_only_process,
    holds::a_lease_is_had_by_one_holder,
    holds::many_take_without_coming_across_each_other,
    holds::alerts_that_come_twice_at_once_open_one_issue,
    effects::a_remediation_begins_once_and_ends_once,
    effects::intents_go_by_the_table,
    effects::reverts_are_found_when_they_are_due,
    effects::what_stands_on_another_is_reverted_first,
    effects::a_change_is_reverted_however_long_the_name_of_its_target,
    effects::remediations_are_listed_newest_first_and_by_filter,
    effects::failures_and_results_are_counted,
    effects::failures_are_counted_however_long_the_name_of_a_resource,
    effects::totals_add_up,
    retention::issues_with_a_change_to_be_taken_back_keep_no_others,
    retention::what_is_over_is_forgotten_by_its_kind,
    people::an_approval_is_answered_once_and_for_its_plan,
    people::approvals_are_listed_newest_first,
    people::the_outbox_gives_what_is_due,
    people::each_sink_has_a_queue_and_each_issue_an_order,
    people::settings_are_replaced,
    people::it_can_be_checked,
}

stored! {
    sqlite_chain, postgres_chain:
    audit::every_record_is_linked_to_those_before,
    audit::what_was_refused_has_no_link,
    audit::what_is_forgotten_leaves_its_links,
}

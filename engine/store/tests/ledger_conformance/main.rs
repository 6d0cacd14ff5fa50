//! What every ledger must do, as cases that run for each implementation.
//!
//! Nothing depends on how fast a case runs: what must still hold is given an hour, and what must end is given
//! milliseconds and awaited.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

mod cases;
mod place;

/// Runs every case against an empty ledger of each kind.
macro_rules! cases {
    ($($case:ident),+ $(,)?) => {
        mod embedded {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $case() {
                    super::cases::$case(&super::place::Place::embedded()).await;
                }
            )+
        }

        mod redis {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $case() {
                    let server = selfheal_test_servers::require!(selfheal_test_servers::Redis::start());
                    let place = super::place::Place::redis(&server.url(), "conformance").await;
                    super::cases::$case(&place).await;
                }
            )+
        }

        /// All cases in one group of servers, which takes seconds to start; each has a prefix of its own.
        async fn in_turn(url: &str) {
            $(
                println!("{}", stringify!($case));
                cases::$case(&place::Place::redis(url, stringify!($case)).await).await;
            )+
        }
    };
}

cases! {
    a_holder_is_granted_again_and_counted_once,
    the_same_issue_and_rule_is_not_treated_twice,
    a_busy_target_stops_everybody_else,
    a_cooldown_counts_for_its_rule_and_target,
    a_target_has_its_own_rate,
    all_targets_together_have_a_rate,
    a_claim_with_a_window_of_nothing_is_not_counted,
    so_many_run_at_once_and_no_more,
    a_refused_claim_leaves_nothing_behind,
    a_lease_ends_and_can_be_renewed,
    a_lost_lease_cannot_be_renewed,
    what_was_released_cannot_be_renewed,
    releasing_twice_is_releasing_once,
    looking_counts_nothing,
    names_do_not_run_together,
    no_more_are_granted_than_may_be_when_all_ask_at_once,
    a_clock_that_is_set_back_frees_nothing,
    a_clock_that_is_set_forward_frees_nothing,
    it_can_be_checked,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_case_holds_behind_sentinels() {
    let servers = selfheal_test_servers::require!(selfheal_test_servers::RedisSentinels::start());
    in_turn(&servers.url()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_case_holds_in_a_cluster() {
    let cluster = selfheal_test_servers::require!(selfheal_test_servers::RedisCluster::start());
    in_turn(&cluster.url()).await;
}

//! `/health-score` and `/statistics`: what the numbers say.

use super::{Answered, Call, ok};

pub(super) async fn health(call: Call) -> Answered {
    ok(&*call.app.insight.health().await?)
}

pub(super) async fn statistics(call: Call) -> Answered {
    ok(&*call.app.insight.statistics().await?)
}

//! Faults that a test orders, by method, path and count.

use crate::refusal::Refusal;
use serde_json::json;
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// 409 as if somebody had changed the object first; nothing is stored.
    Conflict,
    /// 429 with the header `Retry-After`, in seconds.
    TooManyRequests {
        /// Seconds until the next try is welcome.
        retry_after_seconds: u32,
    },
    /// 500; nothing is stored.
    InternalError,
    /// 401, as for a token that is not valid any more.
    Unauthorized,
    /// 410, as for a version that was compacted away.
    Gone,
    /// The answer comes late; the request is carried out after the delay.
    Delay(Duration),
    /// The connection ends before the request is looked at.
    Reset,
    /// The request is carried out, then the connection ends without an answer.
    AppliedThenReset,
    /// The request is not carried out, and no answer comes.
    Hang,
    /// The request is carried out, and no answer comes.
    AppliedThenHang,
}

#[derive(Debug)]
struct Order {
    method: String,
    path: String,
    left: u32,
    fault: Fault,
}

/// The faults that are still to come.
#[derive(Debug, Default)]
pub struct Faults(Mutex<(Vec<Order>, u32)>);

impl Faults {
    /// Lets the next `times` requests fail whose method is `method` (`*` for any) and whose path, without query, fits `path`, in
    /// which `*` stands for anything. Of several that fit, the one ordered first is taken.
    pub fn order(&self, method: &str, path: &str, times: u32, fault: Fault) {
        let order = Order { method: method.to_owned(), path: path.to_owned(), left: times, fault };
        self.locked().0.push(order);
    }

    /// Nothing goes wrong any more.
    pub fn clear(&self) {
        self.locked().0.clear();
    }

    /// How many requests have failed so far.
    #[must_use]
    pub fn happened(&self) -> u32 {
        self.locked().1
    }

    /// The fault for a request, which is then used up.
    pub(crate) fn take(&self, method: &str, path: &str) -> Option<Fault> {
        let mut locked = self.locked();
        let fits = |order: &&mut Order| {
            order.left > 0 && (order.method == "*" || order.method == method) && glob(&order.path, path)
        };
        let order = locked.0.iter_mut().find(fits)?;
        order.left -= 1;
        let fault = order.fault.clone();
        locked.1 += 1;
        Some(fault)
    }

    fn locked(&self) -> MutexGuard<'_, (Vec<Order>, u32)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fault {
    /// The answer of a fault that is one.
    pub(crate) fn refusal(&self, path: &str) -> Option<Refusal> {
        let name = path.rsplit('/').next().unwrap_or_default();
        Some(match self {
            Self::Conflict => Refusal {
                details: json!({ "name": name }),
                ..Refusal::new(
                    409,
                    "Conflict",
                    format!(
                        "Operation cannot be fulfilled on {name:?}: the object has been modified; please apply your \
                             changes to the latest version and try again"
                    ),
                )
            },
            Self::TooManyRequests { retry_after_seconds } => Refusal {
                details: json!({ "retryAfterSeconds": retry_after_seconds }),
                ..Refusal::new(
                    429,
                    "TooManyRequests",
                    "the server has received too many requests and has asked us to try again later",
                )
            },
            Self::InternalError => {
                Refusal::new(500, "InternalError", "Internal error occurred: ordered by the test")
            }
            Self::Unauthorized => Refusal::unauthorized(),
            Self::Gone => Refusal::expired(1, 2),
            _ => return None,
        })
    }
}

fn glob(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|text| {
            text.char_indices().map(|(at, _)| at).chain([text.len()]).any(|at| glob(rest, &text[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_taken_in_order_and_used_up() {
        let faults = Faults::default();
        faults.order("PATCH", "*/deployments/web", 1, Fault::Conflict);
        faults.order("*", "*/deployments/*", 1, Fault::Reset);
        let path = "/apis/apps/v1/namespaces/shop/deployments/web";
        for (method, path, expected) in [
            ("GET", "/api/v1/pods", None),
            ("PATCH", path, Some(Fault::Conflict)),
            ("PATCH", path, Some(Fault::Reset)),
            ("PATCH", path, None),
        ] {
            assert_eq!(faults.take(method, path), expected);
        }
        assert_eq!(faults.happened(), 2);
    }
}

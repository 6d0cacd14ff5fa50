//! The API's views for the live stream, so that an event shows a thing exactly as its list does.

use jiff::Timestamp;
use selfheal_runtime::Engine;
use selfheal_runtime::ports::journal::{Approval, Intent, Issue, Remediation};
use selfheal_runtime::switch::Position;
use serde::Serialize;

use super::approvals::ApprovalView;
use super::issue::IssueView;
use super::remediations::RemediationView;
use super::switch::SwitchView;

pub(in crate::http) fn issue<'a>(issue: &'a Issue, engine: &Engine) -> impl Serialize + use<'a> {
    IssueView::of(issue, engine)
}

pub(in crate::http) fn remediation<'a>(
    remediation: &'a Remediation,
    intents: &'a [Intent],
    issue: Option<&'a Issue>,
) -> impl Serialize {
    RemediationView::of(remediation, issue).with_intents(intents.iter().collect())
}

pub(in crate::http) fn approval<'a>(
    approval: &'a Approval,
    issue: Option<&'a Issue>,
    now: Timestamp,
) -> impl Serialize + use<'a> {
    ApprovalView::of(approval, issue, now)
}

pub(in crate::http) fn switch(position: &Position) -> impl Serialize {
    SwitchView::of(position)
}

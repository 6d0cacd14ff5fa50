//! The adapter against the stand-in of the API server, and against a real one where `KUBECONFIG_E2E` names it.
#![expect(clippy::unwrap_used, reason = "a test fails where one of its helpers does")]

mod changes;
mod conformance;
mod e2e;
mod faults;
mod others;
mod readings;
mod support;

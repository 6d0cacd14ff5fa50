//! The server's answers, asked over its routes with a real engine, journal and ledger, and an adapter that only notes.

mod api;
mod dashboard;
mod hostile;
mod numbers;
mod openapi;
mod people;
mod roles;
mod session;
mod silences;
mod slow;
mod stream;
pub(crate) mod support;
mod vitals;

//! What the rooms need from outside: time, the journal, the ledger, sinks and the source of alerts. Implemented by
//! `store`, by `server`, and by the simulation.

pub mod clock;
pub mod entropy;
pub mod history;
pub mod journal;
pub mod ledger;
pub mod sink;
pub mod source;

pub use clock::Clock;
pub use entropy::Entropy;
pub use history::{Course, Episode};
pub use journal::{Journal, JournalFault, JournalFaultKind};
pub use ledger::{Claim, Ledger, LedgerFault, Reserved};
pub use sink::{ESCALATION, News, NewsApproval, NewsKind, Sink, SinkFault};
pub use source::{AlertSource, NewSilence, Silence, SourceFault, StandingAlert, StandingAlerts};

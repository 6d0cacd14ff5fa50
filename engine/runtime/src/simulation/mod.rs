//! What a simulation of the whole is made of: time that passes when it is told to, and a way to know that everything
//! that there was to do at a moment is done.
//!
//! The engine runs unchanged, on one thread: [`Timeline`] is its clock, [`Watched`] lets the [`Pulse`] see when the
//! journal's threads are at work. Used by the tests of rules and by those of the rooms.

mod memory;
mod pulse;
mod timeline;
mod watched;

pub use memory::MemoryJournal;
pub use pulse::{Flight, Pulse};
pub use timeline::Timeline;
pub use watched::{Call, Watch, Watched};

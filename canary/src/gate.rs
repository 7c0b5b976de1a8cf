//! The release gate: a release waits for it, and it stops rather than guess (document 5).
//!
//! ```text
//! IDLE -> BLOCKERS_VERIFIED -> RC_INSTALLED -> PREFLIGHT_CLEAN -> SINGLE_RUN_PASSED
//!      -> FOUR_RUN_PASSED -> E2E_GATE_CLOSED -> TEAMSPACE_PASSED -> GATE_COMPLETE
//! ```
//!
//! [`core`] decides and does nothing else: `step(input) -> effects`. [`log`] keeps every input in a
//! chain of hashes, so that a gate that was killed anywhere is the same gate again when its log is
//! read. [`drive`] lets the one act on the [`World`] and writes it down in the other.

pub mod config;
pub mod core;
pub mod drive;
pub mod facts;
pub mod github;
pub mod log;
pub mod outbox;
pub mod plan;
pub mod site;
pub mod snapshot;
pub mod substance;
pub mod template;
pub mod verify;
pub mod world;

pub use config::GateConfig;
pub use core::{Gate, Report, Standing, State};
pub use drive::{Driver, GateError};
pub use facts::{Act, Answer, Input, Question, Verb, Witness};
pub use site::{Scratch, Site};
pub use world::{World, WorldError};

use sha2::{Digest as _, Sha256};

/// Returns the SHA-256 of some bytes in lower-case hexadecimal.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

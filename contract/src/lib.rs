//! The compatibility gate: what may leave the machine, decided by a vendored contract.
//!
//! `artifact/upstream_contract.json` is the contract as data, derived from the released
//! spec-kitty-events packages and the recorded ingress rules by `derive/derive_contract.py`.
//! [`Gate`] compiles it once and checks values against it, parsed or as bytes. The rule language
//! is defined in the crate's README; this crate holds no field list of its own.
//!
//! ```
//! use kitty_contract::{Context, Gate};
//!
//! let bind = br#"{"uuid": "c4ad781d-049b-5533-a459-64c1ad68b1ce", "slug": "demo", "node_id": "n"}"#;
//! let violation = Gate::vendored().check_bytes(Context::TrackerBind, bind).unwrap_err();
//! assert_eq!(
//!     violation.to_string(),
//!     "tracker_bind: required field 'build_id' missing in tracker_bind payload (field=build_id)",
//! );
//! ```

mod artifact;
mod breach;
mod compile;
mod conditions;
mod context;
mod formats;
mod gate;
mod machine;
mod path;
mod provenance;
mod scanner;
mod tables;
mod text;
mod vendored;
mod verdict;
mod violation;
mod vocabulary;
mod walk;

pub use artifact::ArtifactError;
pub use context::Context;
pub use gate::{Gate, VENDORED_ARTIFACT};
pub use provenance::{IngressProvenance, PackageProvenance, Provenance};
pub use violation::{Rule, Violation};
pub use vocabulary::{OrchestratorApi, Standing, Words};

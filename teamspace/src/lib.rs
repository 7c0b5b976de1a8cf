//! The self-hosted Teamspace: where a team's missions arrive and can be read.
//!
//! One process, one SQLite file. It answers what the spec-kitty runtime and the Python CLI 3.2.x
//! ask of a hosted Teamspace: login by device code or browser, rotating sessions, ingress of event
//! batches and of single events over a WebSocket, a reading API beside a plain page, and a tracker
//! whose issues it holds itself.
//!
//! What it promises:
//!
//! 1. It answers after the commit, and the commit is fsynced. What it called `success` survives
//!    SIGKILL and a power cut.
//! 2. An event id is stored once per team, as the exact bytes that arrived first.
//! 3. Only a Private Teamspace receives events, and nobody reads a team they do not belong to.
//! 4. Whatever is sent, the answer is an answer: JSON with a code and a next step.
//! 5. Secrets are stored as digests and appear in no log, error or answer but the one that hands
//!    them out.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let server = kitty_teamspace::start(kitty_teamspace::Options::new("data")).await?;
//! println!("{} is up; approve logins with {}", server.url(), server.approval_key().expose());
//! server.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! Deliberately absent: TLS (put a proxy in front), mail, passwords, command-line arguments.

mod accounts;
mod administration;
mod approval;
mod board;
mod data_directory;
mod dossier;
mod email;
mod envelope;
mod errors;
mod health;
mod identity;
mod ingress;
mod limits;
mod oauth;
mod options;
mod pages;
mod read;
mod request;
mod routes;
mod routing;
mod sealed;
mod secret;
mod server;
mod state;
mod store;
mod time;
mod tracker;
mod websocket;

pub use accounts::{Account, Team};
pub use administration::{Administration, AdministrationError, IssueSeed, NewAccount, SeedReport};
pub use data_directory::DataDirectoryError;
pub use limits::Limits;
pub use options::{DEFAULT_OWNER_EMAIL, DEFAULT_PORT, Lifetimes, Options};
pub use secret::ApprovalKey;
pub use server::{RunningServer, StartError, start};
pub use store::StoreOpenError;
pub use time::{SharedTime, SystemTime, TimeSource};

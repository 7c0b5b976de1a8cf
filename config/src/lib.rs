//! Where state lives and what the machine has opted in to.
//!
//! Everything another crate needs to know about the machine before it acts is resolved here, in one
//! place and purely: the state root ([`RuntimeRoot`]), every path below it ([`FileMap`]), every
//! environment variable ([`mod@env`]), the settings file ([`Settings`]) and the two policies that decide
//! whether hosted sync exists at all ([`policy`]).
//!
//! Deliberately absent: writing files (see `kitty_runtime::crashsafe`), terminals, the network.
//! Resolving a path opens no file and creates no directory; `tests/it/state_root.rs` counts.

pub mod env;
mod environment;
mod paths;
pub mod policy;
mod root;
mod settings;
mod surfaces;
mod target;

pub use environment::Environment;
pub use paths::{AuthPaths, FileMap, MigrationPaths, ScopePaths, login_service};
pub use root::{Platform, PlatformDirectories, RootError, RootSource, RuntimeRoot};
pub use settings::{
    DaemonPolicy, EventSyncMode, ReadFailure, ReadFailureKind, SETTING_KEYS, SettingError,
    Settings, SettingsDocument,
};
pub use surfaces::{Authority, GitClass, Surface, SurfaceRoot, surfaces};
pub use target::{HostSource, InvalidServerUrl, ServerUrl, SyncHost, queue_scope, resolve_host};

//! What `state doctor` reports: every place where state may lie, and who may rely on it.

use crate::paths::FileMap;
use std::path::PathBuf;

/// The root that a surface lies below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SurfaceRoot {
    /// The project's `.kittify/` and `kitty-specs/`.
    Project,
    /// The state root.
    GlobalSync,
}

impl SurfaceRoot {
    /// Returns the stable word of the report.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Project => "project",
            Self::GlobalSync => "global_sync",
        }
    }
}

/// Who may rely on what a surface holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authority {
    /// The truth.
    Authoritative,
    /// Can be made again from the truth.
    Derived,
    /// Means something to running processes only.
    LocalRuntime,
    /// The truth, and secret.
    Secret,
    /// Of earlier releases; read by `upgrade` alone.
    Deprecated,
}

impl Authority {
    /// Returns the stable word of the report.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Authoritative => "authoritative",
            Self::Derived => "derived",
            Self::LocalRuntime => "local_runtime",
            Self::Secret => "secret",
            Self::Deprecated => "deprecated",
        }
    }
}

/// What git should do with a surface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GitClass {
    /// Committed with the project.
    Tracked,
    /// In the working tree and ignored.
    Ignored,
    /// Outside every repository.
    OutsideRepo,
}

impl GitClass {
    /// Returns the stable word of the report.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tracked => "tracked",
            Self::Ignored => "ignored",
            Self::OutsideRepo => "outside_repo",
        }
    }
}

/// One place where state may lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Surface {
    /// Stable name.
    pub name: &'static str,
    /// The path as documented, with `<placeholders>`; `~/.spec-kitty` stands for the state root.
    pub pattern: &'static str,
    /// The root it lies below.
    pub root: SurfaceRoot,
    /// Who may rely on it.
    pub authority: Authority,
    /// What git should do with it.
    pub git_class: GitClass,
    /// Where to look: absolute below the state root, relative to the project root otherwise.
    pub probe: PathBuf,
}

/// Lists every surface, project first.
#[must_use]
pub fn surfaces(map: &FileMap) -> Vec<Surface> {
    let mut all = project_surfaces();
    all.extend(global_surfaces(map));
    all
}

fn project_surfaces() -> Vec<Surface> {
    use Authority::{Authoritative, Derived, LocalRuntime};
    use GitClass::{Ignored, Tracked};
    let surface = |name, pattern, authority, git_class, probe: &str| Surface {
        name,
        pattern,
        root: SurfaceRoot::Project,
        authority,
        git_class,
        probe: PathBuf::from(probe),
    };
    vec![
        surface(
            "project_config",
            ".kittify/config.yaml",
            Authoritative,
            Tracked,
            ".kittify/config.yaml",
        ),
        surface(
            "project_metadata",
            ".kittify/metadata.yaml",
            Authoritative,
            Tracked,
            ".kittify/metadata.yaml",
        ),
        surface(
            "worktrees_root",
            ".worktrees/",
            LocalRuntime,
            Ignored,
            ".worktrees",
        ),
        surface(
            "mission_metadata",
            "kitty-specs/<mission>/meta.json",
            Authoritative,
            Tracked,
            "kitty-specs",
        ),
        surface(
            "canonical_status_log",
            "kitty-specs/<mission>/status.events.jsonl",
            Authoritative,
            Tracked,
            "kitty-specs",
        ),
        surface(
            "canonical_status_snapshot",
            "kitty-specs/<mission>/status.json",
            Derived,
            Tracked,
            "kitty-specs",
        ),
    ]
}

fn global_surfaces(map: &FileMap) -> Vec<Surface> {
    use Authority::{Authoritative, Deprecated, Derived, LocalRuntime, Secret};
    let surface = |name, pattern, authority, probe: PathBuf| Surface {
        name,
        pattern,
        root: SurfaceRoot::GlobalSync,
        authority,
        git_class: GitClass::OutsideRepo,
        probe,
    };
    let (auth, machine) = (map.auth(), map.machine_scope());
    vec![
        surface(
            "sync_config",
            "~/.spec-kitty/config.toml",
            Authoritative,
            map.config_toml(),
        ),
        surface(
            "sync_credentials",
            "~/.spec-kitty/credentials",
            Secret,
            map.credentials(),
        ),
        surface(
            "auth_session",
            "~/.spec-kitty/auth/session.json",
            Secret,
            auth.session(),
        ),
        surface(
            "auth_session_salt",
            "~/.spec-kitty/auth/session.salt",
            Secret,
            auth.salt(),
        ),
        surface(
            "auth_session_key",
            "~/.spec-kitty/auth/session.key",
            Secret,
            auth.derived_key(),
        ),
        surface(
            "auth_session_lock",
            "~/.spec-kitty/auth/session.lock",
            LocalRuntime,
            auth.lock(),
        ),
        surface(
            "auth_session_hint",
            "~/.spec-kitty/auth/session.hot-path.json",
            Derived,
            auth.hot_path(),
        ),
        surface(
            "credential_lock",
            "~/.spec-kitty/auth/refresh.lock",
            LocalRuntime,
            auth.refresh_lock(),
        ),
        surface(
            "lamport_clock",
            "~/.spec-kitty/clock.json",
            Derived,
            map.clock_json(),
        ),
        surface(
            "lamport_counter",
            "~/.spec-kitty/runtime/clock/",
            Authoritative,
            map.clock(),
        ),
        surface(
            "host_memory",
            "~/.spec-kitty/runtime/hosts.json",
            Derived,
            map.host_memory(),
        ),
        surface(
            "project_consent",
            "~/.spec-kitty/runtime/projects/<uuid>/consent.json",
            Authoritative,
            map.projects(),
        ),
        surface(
            "machine_inbox",
            "~/.spec-kitty/runtime/inbox/",
            Authoritative,
            machine.inbox_new(),
        ),
        surface(
            "machine_journal",
            "~/.spec-kitty/runtime/journal/",
            Authoritative,
            machine.journal(),
        ),
        surface(
            "machine_mailbox",
            "~/.spec-kitty/runtime/mailbox/",
            Derived,
            machine.mailbox(),
        ),
        surface(
            "project_inbox",
            "~/.spec-kitty/runtime/projects/<uuid>/inbox/",
            Authoritative,
            map.projects(),
        ),
        surface(
            "project_journal",
            "~/.spec-kitty/runtime/projects/<uuid>/journal/",
            Authoritative,
            map.projects(),
        ),
        surface(
            "project_mailbox",
            "~/.spec-kitty/runtime/projects/<uuid>/mailbox/",
            Derived,
            map.projects(),
        ),
        surface(
            "sync_daemon_control",
            "~/.spec-kitty/sync-daemon",
            LocalRuntime,
            map.daemon_state(),
        ),
        surface(
            "sync_daemon_lock",
            "~/.spec-kitty/sync-daemon.lock",
            LocalRuntime,
            map.daemon_lock(),
        ),
        surface(
            "sync_daemon_log",
            "~/.spec-kitty/sync-daemon.log",
            LocalRuntime,
            map.daemon_log(),
        ),
        surface(
            "sync_daemon_owner",
            "~/.spec-kitty/sync/daemon/owner.json",
            LocalRuntime,
            map.daemon_owner(),
        ),
        surface(
            "tracker_cache",
            "~/.spec-kitty/trackers/<hash>.db",
            Authoritative,
            map.trackers(),
        ),
        surface(
            "active_queue_scope",
            "~/.spec-kitty/active_queue_scope",
            Deprecated,
            map.active_queue_scope(),
        ),
        surface(
            "legacy_queue",
            "~/.spec-kitty/queue.db",
            Deprecated,
            map.legacy_queue(),
        ),
        surface(
            "scoped_queue",
            "~/.spec-kitty/queues/queue-<hash>.db",
            Deprecated,
            map.legacy_queues(),
        ),
        surface(
            "legacy_event_journal",
            "~/.spec-kitty/event_journal/",
            Deprecated,
            map.legacy_event_journal(),
        ),
        surface(
            "project_sync_store",
            "~/.spec-kitty/projects/<uuid>/sync/sync.db",
            Deprecated,
            map.legacy_projects(),
        ),
        surface(
            "project_sync_layout_generation",
            "~/.spec-kitty/projects/.layout-generation.json",
            Deprecated,
            map.layout_generation(),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Environment, Platform, PlatformDirectories, RuntimeRoot, env};
    use std::collections::BTreeSet;
    use std::path::Path;

    #[test]
    fn names_are_unique_and_global_surfaces_lie_below_the_root() {
        let environment = Environment::default().with(env::SPEC_KITTY_HOME, "/r");
        let root = RuntimeRoot::resolve(
            Platform::Posix,
            &environment,
            PlatformDirectories::of_system(),
        )
        .unwrap();
        let all = surfaces(&FileMap::new(&root));
        let names: BTreeSet<_> = all.iter().map(|surface| surface.name).collect();
        assert_eq!(names.len(), all.len());
        for surface in &all {
            let below = surface.probe.starts_with(Path::new("/r"));
            assert_eq!(
                below,
                surface.root == SurfaceRoot::GlobalSync,
                "{}",
                surface.name
            );
        }
    }
}

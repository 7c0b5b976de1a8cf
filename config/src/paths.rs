//! The one map of every file below the state root.
//!
//! Joining a path below the root anywhere else is a bug (`tests/it/architecture.rs` looks for it).
//! The names of the upper half are those of the Python CLI 3.2.x, byte for byte; the lower half
//! (`runtime/`) is ours. Mapping is pure: no file is touched.

mod migration;

pub use migration::MigrationPaths;

use crate::env;
use crate::environment::Environment;
use crate::root::{Platform, RuntimeRoot};
use std::path::{Path, PathBuf};

/// Maps names to paths below one state root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileMap {
    root: PathBuf,
    platform: Platform,
}

impl FileMap {
    /// Creates the map of a root.
    #[must_use]
    pub fn new(root: &RuntimeRoot) -> Self {
        Self {
            root: root.path().to_owned(),
            platform: root.platform(),
        }
    }

    /// Returns the state root itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn file(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Returns `name` in the root, or in `folder` below it on Windows (reference 1).
    fn file_or_in(&self, folder: &str, name: &str) -> PathBuf {
        match self.platform {
            Platform::Posix => self.root.join(name),
            Platform::Windows => self.root.join(folder).join(name),
        }
    }

    /// `config.toml`, the settings file (0600).
    #[must_use]
    pub fn config_toml(&self) -> PathBuf {
        self.file("config.toml")
    }

    /// Everything of the session store.
    #[must_use]
    pub fn auth(&self) -> AuthPaths {
        AuthPaths {
            directory: self.file("auth"),
        }
    }

    /// `credentials`, the tracker secrets (0600).
    #[must_use]
    pub fn credentials(&self) -> PathBuf {
        self.file_or_in("tracker", "credentials")
    }

    /// `trackers/`, the local tracker caches.
    #[must_use]
    pub fn trackers(&self) -> PathBuf {
        self.file("trackers")
    }

    /// `clock.json`, the Lamport value that the Python CLI reads and writes.
    #[must_use]
    pub fn clock_json(&self) -> PathBuf {
        self.file("clock.json")
    }

    /// `active_queue_scope`, a legacy marker.
    #[must_use]
    pub fn active_queue_scope(&self) -> PathBuf {
        self.file("active_queue_scope")
    }

    /// `queue.db`, the legacy queue of a logged-out machine.
    #[must_use]
    pub fn legacy_queue(&self) -> PathBuf {
        self.file("queue.db")
    }

    /// `queues/`, the legacy queues by scope.
    #[must_use]
    pub fn legacy_queues(&self) -> PathBuf {
        self.file("queues")
    }

    /// `event_journal/`, the journals of the CLI 3.2.4 to 3.2.6.
    #[must_use]
    pub fn legacy_event_journal(&self) -> PathBuf {
        self.file("event_journal")
    }

    /// `delivery/ledger.db`, what targets answered to the CLI 3.2.4 to 3.2.6.
    #[must_use]
    pub fn legacy_delivery_ledger(&self) -> PathBuf {
        self.file("delivery").join("ledger.db")
    }

    /// `sync-daemon`, the hint file that today's tools look for.
    #[must_use]
    pub fn daemon_state(&self) -> PathBuf {
        self.file_or_in("daemon", "sync-daemon")
    }

    /// `sync-daemon.lock`.
    #[must_use]
    pub fn daemon_lock(&self) -> PathBuf {
        self.file_or_in("daemon", "sync-daemon.lock")
    }

    /// `sync-daemon.log`.
    #[must_use]
    pub fn daemon_log(&self) -> PathBuf {
        self.file_or_in("daemon", "sync-daemon.log")
    }

    /// `sync/daemon/owner.json`, the record of the running daemon (0600).
    #[must_use]
    pub fn daemon_owner(&self) -> PathBuf {
        self.file("sync").join("daemon").join("owner.json")
    }

    /// `runtime/ipc/` (0700), where the daemon listens.
    #[must_use]
    pub fn daemon_ipc(&self) -> PathBuf {
        self.machine_scope().directory.join("ipc")
    }

    /// `runtime/ipc/daemon.sock`, the daemon's socket.
    #[must_use]
    pub fn daemon_socket(&self) -> PathBuf {
        self.daemon_ipc().join("daemon.sock")
    }

    /// `runtime/ipc/daemon.json`, a hint about which process listens; ours alone (0600).
    #[must_use]
    pub fn daemon_record(&self) -> PathBuf {
        self.daemon_ipc().join("daemon.json")
    }

    /// `runtime/ipc/start.lock`, held while one process starts or stops the daemon; never removed.
    #[must_use]
    pub fn daemon_start_lock(&self) -> PathBuf {
        self.daemon_ipc().join("start.lock")
    }

    /// `projects/`, the stores of the CLI 3.2.7, which takes every directory in it for one of its own;
    /// nothing of ours may lie there (decision 0013).
    #[must_use]
    pub fn legacy_projects(&self) -> PathBuf {
        self.file("projects")
    }

    /// `projects/.layout-generation.json`, the layout marker of the CLI 3.2.7.
    #[must_use]
    pub fn layout_generation(&self) -> PathBuf {
        self.legacy_projects().join(".layout-generation.json")
    }

    /// `projects/<uuid>/sync/sync.db`, the store of the CLI 3.2.7.
    #[must_use]
    pub fn project_sync_db(&self, project_uuid: &str) -> PathBuf {
        let store = self.legacy_projects().join(project_uuid);
        store.join("sync").join("sync.db")
    }

    /// `runtime/projects/`, one directory per project.
    #[must_use]
    pub fn projects(&self) -> PathBuf {
        self.machine_scope().directory.join("projects")
    }

    /// `runtime/projects/<uuid>/`, the inbox, journal and mailbox of one project; no code path opens
    /// another's.
    #[must_use]
    pub fn project_scope(&self, project_uuid: &str) -> ScopePaths {
        ScopePaths {
            directory: self.projects().join(project_uuid),
        }
    }

    /// `runtime/`, the same layout for what belongs to the machine.
    #[must_use]
    pub fn machine_scope(&self) -> ScopePaths {
        ScopePaths {
            directory: self.file("runtime"),
        }
    }

    /// `runtime/clock/`, the cross-process Lamport counter.
    #[must_use]
    pub fn clock(&self) -> PathBuf {
        self.machine_scope().directory.join("clock")
    }

    /// `runtime/migration/`, what `upgrade` took over of the Python CLI's queues.
    #[must_use]
    pub fn migration(&self) -> MigrationPaths {
        MigrationPaths::at(self.machine_scope().directory.join("migration"))
    }

    /// `runtime/hosts.json`, what is remembered of each server: unreachable until, no private team.
    #[must_use]
    pub fn host_memory(&self) -> PathBuf {
        self.machine_scope().directory.join("hosts.json")
    }
}

/// Returns the service file of a user's login, the only file of ours outside state root and
/// repositories: a systemd unit on Linux, a launchd agent on macOS, elsewhere nothing.
///
/// On Linux `XDG_CONFIG_HOME` moves it when it is absolute, as its specification asks; on macOS the
/// place is fixed.
#[must_use]
pub fn login_service(environment: &Environment) -> Option<PathBuf> {
    let home = environment.non_empty(env::HOME).map(PathBuf::from);
    if cfg!(target_os = "linux") {
        let chosen = environment
            .non_empty(env::XDG_CONFIG_HOME)
            .map(PathBuf::from);
        let settings = chosen
            .filter(|path| path.is_absolute())
            .or_else(|| Some(home?.join(".config")))?;
        let units = settings.join("systemd").join("user");
        Some(units.join("spec-kitty-sync.service"))
    } else if cfg!(target_os = "macos") {
        let agents = home?.join("Library").join("LaunchAgents");
        Some(agents.join("dev.spec-kitty.sync.plist"))
    } else {
        None
    }
}

/// The files of the session store, shared with the Python CLI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthPaths {
    directory: PathBuf,
}

impl AuthPaths {
    /// `auth/` (0700).
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// `auth/session.json`, the encrypted session (0600).
    #[must_use]
    pub fn session(&self) -> PathBuf {
        self.directory.join("session.json")
    }

    /// `auth/session.salt`, 16 raw bytes (0600), removed at logout.
    #[must_use]
    pub fn salt(&self) -> PathBuf {
        self.directory.join("session.salt")
    }

    /// `auth/session.key`, the derived key bound to salt and host (0600), removed at logout.
    #[must_use]
    pub fn derived_key(&self) -> PathBuf {
        self.directory.join("session.key")
    }

    /// `auth/session.lock`, the advisory lock of the store; never removed.
    #[must_use]
    pub fn lock(&self) -> PathBuf {
        self.directory.join("session.lock")
    }

    /// `auth/session.hot-path.json`, a hint without tokens, valid for 30 s (0600).
    #[must_use]
    pub fn hot_path(&self) -> PathBuf {
        self.directory.join("session.hot-path.json")
    }

    /// `auth/session.issuer.json`, which server issued the session; ours alone (0600).
    #[must_use]
    pub fn issuer(&self) -> PathBuf {
        self.directory.join("session.issuer.json")
    }

    /// `auth/refresh.lock`, held while a token is refreshed (0600).
    #[must_use]
    pub fn refresh_lock(&self) -> PathBuf {
        self.directory.join("refresh.lock")
    }
}

/// The inbox, journal and mailbox of one scope: a project, or the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopePaths {
    directory: PathBuf,
}

impl ScopePaths {
    /// Maps a scope that lies in a directory of the caller's choice (tests, migration).
    #[must_use]
    pub fn at(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
        }
    }

    /// The scope's own directory (0700).
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// `inbox/tmp/`, files that are being written.
    #[must_use]
    pub fn inbox_tmp(&self) -> PathBuf {
        self.directory.join("inbox").join("tmp")
    }

    /// `inbox/new/`, complete files that wait for the owner.
    #[must_use]
    pub fn inbox_new(&self) -> PathBuf {
        self.directory.join("inbox").join("new")
    }

    /// `inbox/held/`, records whose change has not happened yet.
    #[must_use]
    pub fn inbox_held(&self) -> PathBuf {
        self.directory.join("inbox").join("held")
    }

    /// `inbox/damaged/`, files of which not every record could be read; kept for inspection.
    #[must_use]
    pub fn inbox_damaged(&self) -> PathBuf {
        self.directory.join("inbox").join("damaged")
    }

    /// `inbox/full`, present while the queue refuses new records because it holds too many.
    #[must_use]
    pub fn inbox_full(&self) -> PathBuf {
        self.directory.join("inbox").join("full")
    }

    /// `journal/`, the append-only segments: the truth.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.directory.join("journal")
    }

    /// `journal/damaged/`, bytes that were cut from a segment; kept for inspection.
    #[must_use]
    pub fn journal_damaged(&self) -> PathBuf {
        self.journal().join("damaged")
    }

    /// `mailbox/`, the owner's sled store: states and positions, always rebuildable.
    #[must_use]
    pub fn mailbox(&self) -> PathBuf {
        self.directory.join("mailbox")
    }

    /// `owner.lock`; the kernel's lock on it is the truth about ownership. Never removed.
    #[must_use]
    pub fn owner_lock(&self) -> PathBuf {
        self.directory.join("owner.lock")
    }

    /// `owner.json`, a hint about who holds the lock.
    #[must_use]
    pub fn owner_record(&self) -> PathBuf {
        self.directory.join("owner.json")
    }

    /// `consent.json`, whether anything of the project may leave this machine.
    #[must_use]
    pub fn consent(&self) -> PathBuf {
        self.directory.join("consent.json")
    }

    /// A file of `dossiers/`, where is kept what was last told of the artifacts of a mission.
    #[must_use]
    pub fn dossier(&self, name: &str) -> PathBuf {
        self.directory.join("dossiers").join(name)
    }

    /// `migrated.jsonl`, the rows that `upgrade` put into this scope, with their retry state.
    #[must_use]
    pub fn migrated_rows(&self) -> PathBuf {
        self.directory.join("migrated.jsonl")
    }

    /// `migrated.undo.json`, present while `upgrade --rollback` takes rows back.
    #[must_use]
    pub fn migrated_undo(&self) -> PathBuf {
        self.directory.join("migrated.undo.json")
    }

    /// `status.json`, what the last owner knew.
    #[must_use]
    pub fn status(&self) -> PathBuf {
        self.directory.join("status.json")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PlatformDirectories;

    fn map(platform: Platform) -> FileMap {
        let environment = Environment::default().with(env::SPEC_KITTY_HOME, "/r");
        let root =
            RuntimeRoot::resolve(platform, &environment, PlatformDirectories::of_system()).unwrap();
        FileMap::new(&root)
    }

    #[test]
    fn the_surfaces_of_document_3_have_their_reference_suffixes() {
        let map = map(Platform::Posix);
        for (path, expected) in [
            (map.config_toml(), "/r/config.toml"),
            (map.auth().session(), "/r/auth/session.json"),
            (map.auth().refresh_lock(), "/r/auth/refresh.lock"),
            (map.legacy_queue(), "/r/queue.db"),
            (map.legacy_queues(), "/r/queues"),
            (map.active_queue_scope(), "/r/active_queue_scope"),
            (map.daemon_state(), "/r/sync-daemon"),
            (map.daemon_log(), "/r/sync-daemon.log"),
            (map.daemon_lock(), "/r/sync-daemon.lock"),
            (map.daemon_owner(), "/r/sync/daemon/owner.json"),
            (map.clock_json(), "/r/clock.json"),
            (map.credentials(), "/r/credentials"),
            (map.trackers(), "/r/trackers"),
        ] {
            assert_eq!(path, Path::new(expected));
        }
    }

    #[test]
    fn windows_keeps_daemon_files_and_credentials_in_folders() {
        let map = map(Platform::Windows);
        assert_eq!(
            map.daemon_state(),
            Path::new("/r").join("daemon").join("sync-daemon")
        );
        assert_eq!(
            map.credentials(),
            Path::new("/r").join("tracker").join("credentials")
        );
        assert_eq!(map.clock_json(), Path::new("/r").join("clock.json"));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_service_lies_where_xdg_says_if_it_says_an_absolute_place() {
        let home = Environment::default().with(env::HOME, "/h");
        for (chosen, expected) in [
            ("/x", "/x/systemd/user/spec-kitty-sync.service"),
            ("", "/h/.config/systemd/user/spec-kitty-sync.service"),
            (
                "relative",
                "/h/.config/systemd/user/spec-kitty-sync.service",
            ),
        ] {
            let environment = home.clone().with(env::XDG_CONFIG_HOME, chosen);
            assert_eq!(login_service(&environment).unwrap(), Path::new(expected));
        }
        assert_eq!(login_service(&Environment::default()), None);
    }

    #[test]
    fn every_project_has_its_own_directory() {
        let map = map(Platform::Posix);
        let scope = map.project_scope("11111111-2222-4333-8444-555555555555");
        assert_eq!(
            scope.inbox_new(),
            Path::new("/r/runtime/projects/11111111-2222-4333-8444-555555555555/inbox/new")
        );
        assert_eq!(
            map.machine_scope().journal(),
            Path::new("/r/runtime/journal")
        );
    }
}

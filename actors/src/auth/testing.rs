//! What the tests of this module share: a state root, a clock and sessions.

use super::secret::Secret;
use super::session::{SESSION_VECTOR, StoredSession, Team, default_team_id};
use super::store::{FileSessionStore, HostIdentity};
use jiff::{SignedDuration, Timestamp};
use kitty_config::{
    AuthPaths, Environment, FileMap, Platform, PlatformDirectories, RuntimeRoot, env,
};
use kitty_runtime::fs::os_filesystem;
use kitty_runtime::time::{SharedTime, TimeSource};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// A clock that moves only when it is told to.
#[derive(Debug)]
pub(crate) struct TestClock(AtomicI64);

impl TestClock {
    pub(crate) fn at(text: &str) -> Arc<Self> {
        let moment: Timestamp = text.parse().unwrap();
        Arc::new(Self(AtomicI64::new(moment.as_microsecond())))
    }

    pub(crate) fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }
}

impl TimeSource for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_microsecond(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

/// The time at which most tests begin.
pub(crate) const START: &str = "2026-01-02T03:04:05Z";

/// Returns the time that many seconds after [`START`].
pub(crate) fn later(seconds: i64) -> Timestamp {
    START.parse::<Timestamp>().unwrap() + SignedDuration::from_secs(seconds)
}

/// A state root of its own, removed with the test.
pub(crate) struct TestRoot {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) clock: Arc<TestClock>,
}

impl TestRoot {
    pub(crate) fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            clock: TestClock::at(START),
        }
    }

    pub(crate) fn environment(&self) -> Environment {
        Environment::default().with(env::SPEC_KITTY_HOME, self.directory.path().join("root"))
    }

    pub(crate) fn paths(&self) -> AuthPaths {
        let root = RuntimeRoot::resolve(
            Platform::Posix,
            &self.environment(),
            PlatformDirectories::of_system(),
        );
        FileMap::new(&root.unwrap()).auth()
    }

    pub(crate) fn time(&self) -> SharedTime {
        Arc::clone(&self.clock) as SharedTime
    }

    /// Opens another handle of the store, as another process would.
    pub(crate) fn store(&self) -> FileSessionStore {
        self.store_on("example-host")
    }

    pub(crate) fn store_on(&self, hostname: &str) -> FileSessionStore {
        let host = HostIdentity {
            hostname: hostname.to_owned(),
            uid: 1000,
        };
        FileSessionStore::new(self.paths(), os_filesystem(), self.time(), host)
    }

    /// Lists the files below `auth/`, sorted.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut names: Vec<String> = match std::fs::read_dir(self.paths().directory()) {
            Ok(entries) => entries
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect(),
            Err(_) => Vec::new(),
        };
        names.sort();
        names
    }
}

/// A session whose tokens carry a name, valid from [`START`] for an hour.
pub(crate) fn session(name: &str) -> StoredSession {
    let mut session = StoredSession::from_json(SESSION_VECTOR.as_bytes()).unwrap();
    session.access_token = Secret::new(format!("access-{name}"));
    session.refresh_token = Secret::new(format!("refresh-{name}"));
    session.access_token_expires_at = later(3600);
    session.with_teams(vec![
        Team::new("t-shared", "Shared", "member", false),
        Team::new("t-private", "Private", "owner", true),
    ])
}

impl StoredSession {
    pub(crate) fn with_teams(mut self, teams: Vec<Team>) -> Self {
        self.default_team_id = default_team_id(&teams).to_owned();
        self.teams = teams;
        self
    }

    pub(crate) fn with_shared_team_only(self) -> Self {
        self.with_teams(vec![Team::new("t-shared", "Shared", "member", false)])
    }

    pub(crate) fn expiring_at(mut self, seconds_after_start: i64) -> Self {
        self.access_token_expires_at = later(seconds_after_start);
        self
    }

    pub(crate) fn refreshable_until(mut self, seconds_after_start: i64) -> Self {
        self.refresh_token_expires_at = Some(later(seconds_after_start));
        self
    }
}

/// Writes a file as another program would, with a mode.
pub(crate) fn put(path: &std::path::Path, bytes: &[u8], mode: u32) {
    use std::io::Write as _;
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    // A new file: overwriting one in place makes some file systems wait for the disk.
    let _ = std::fs::remove_file(path);
    let mut file = std::fs::File::create_new(path).unwrap();
    file.write_all(bytes).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        file.set_permissions(std::fs::Permissions::from_mode(mode))
            .unwrap();
    }
    #[cfg(not(unix))]
    let _ = mode;
}

/// Returns the permission bits of a file.
#[cfg(unix)]
pub(crate) fn mode_of(path: &std::path::Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

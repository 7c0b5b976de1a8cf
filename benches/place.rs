//! A machine of its own for one measurement: a project, a state root, a session.

use crate::events::{Events, PROJECT};
use kitty_actors::auth::session::StoredSession;
use kitty_actors::auth::store::{
    FileSessionStore, HostIdentity, ReadPurpose, SessionStore as _, Stored,
};
use kitty_config::{Environment, FileMap, RuntimeRoot, ServerUrl, env};
use kitty_runtime::fs::os_filesystem;
use kitty_runtime::inbox::Inbox;
use kitty_runtime::owner::Scope;
use kitty_runtime::time::system_time;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A state root and a project in a directory that is removed with the value.
#[derive(Debug)]
pub struct Place {
    directory: TempDir,
    url: String,
}

impl Place {
    /// Makes the directories below `parent` and a git repository with an identity; nobody is
    /// logged in and nothing is queued.
    ///
    /// # Errors
    /// The operating system's.
    pub fn new(parent: &Path) -> io::Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("bench-")
            .tempdir_in(parent)?;
        let place = Self {
            directory,
            // Nobody listens there.
            url: "http://127.0.0.1:9".to_owned(),
        };
        for name in ["home", "state", "project/.kittify"] {
            std::fs::create_dir_all(place.directory.path().join(name))?;
        }
        // The Python CLI creates no mission on `main`, and none before a type is activated.
        let config = format!(
            "project:\n  uuid: {PROJECT}\n  slug: demo-repo\nmission_type_activations:\n  - software-dev\n"
        );
        put(&place.project().join(".kittify/config.yaml"), &config)?;
        for arguments in [
            &["init", "-q", "-b", "work", "."][..],
            &["config", "user.email", "bench@spec-kitty.local"],
            &["config", "user.name", "Bench"],
            &["add", "."],
            &["commit", "-q", "-m", "Begin"],
        ] {
            let status = place.command(Path::new("git")).args(arguments).status()?;
            if !status.success() {
                return Err(io::Error::other(format!("git {arguments:?}: {status}")));
            }
        }
        Ok(place)
    }

    /// Returns the project's directory.
    pub fn project(&self) -> PathBuf {
        self.directory.path().join("project")
    }

    /// Returns the state root.
    pub fn state_root(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    /// Returns the directory that holds everything.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Returns the paths below the state root.
    pub fn map(&self) -> FileMap {
        file_map(&self.state_root())
    }

    /// Returns where the project's queue lies.
    pub fn scope(&self) -> Scope {
        scope(&self.state_root())
    }

    /// Prepares a program to run in the project with this machine's environment and no other.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.project()).env_clear();
        for (name, value) in self.environment() {
            command.env(name, value);
        }
        command
    }

    /// Returns the whole environment of this machine's programs: hosted sync is on.
    pub fn environment(&self) -> Vec<(&'static str, std::ffi::OsString)> {
        vec![
            ("PATH", crate::variable("PATH").unwrap_or_default()),
            (env::HOME.name, self.directory.path().join("home").into()),
            (env::SPEC_KITTY_HOME.name, self.state_root().into()),
            (env::SPEC_KITTY_ENABLE_SAAS_SYNC.name, "1".into()),
            (env::SPEC_KITTY_SAAS_URL.name, self.url.clone().into()),
            ("GIT_CONFIG_NOSYSTEM", "1".into()),
            ("TERM", "dumb".into()),
        ]
    }

    /// Logs in to a server, as a login there would have left it.
    ///
    /// # Errors
    /// When the session cannot be stored.
    pub fn log_in(&mut self, url: &str) -> io::Result<()> {
        url.clone_into(&mut self.url);
        let store = FileSessionStore::new(
            self.map().auth(),
            os_filesystem(),
            system_time(),
            HostIdentity::of_this_process(),
        );
        let session = StoredSession::from_json(SESSION.as_bytes()).map_err(io::Error::other)?;
        let stored = Stored {
            session,
            issuer: Some(ServerUrl::parse(url).map_err(io::Error::other)?),
        };
        store.write(&stored).map_err(io::Error::other)?;
        // The key is cached by the first use, as it is on every machine that was used before.
        store.read(ReadPurpose::Use).map_err(io::Error::other)?;
        Ok(())
    }

    /// Queues events in the inbox, `per_file` to a command, without waiting for the disk.
    ///
    /// # Errors
    /// The file system's.
    pub fn fill_inbox(&self, count: u64, per_file: u64) -> io::Result<()> {
        let inbox = Inbox::new(crate::unsynced::filesystem(), self.scope().paths);
        let events = Events::new();
        for first in (0..count).step_by(usize::try_from(per_file).unwrap_or(1)) {
            let events = events.range(first..count.min(first + per_file));
            let records: Vec<_> = events.iter().map(crate::events::Event::record).collect();
            inbox
                .append(first + 1, &records)
                .map_err(io::Error::other)?;
        }
        Ok(())
    }

    /// Puts events into the journal as an owner leaves them: indexed, with a `status.json`.
    ///
    /// # Errors
    /// The file system's.
    pub fn fill_journal(&self, count: u64) -> io::Result<()> {
        crate::journal::write(&self.scope(), count)?;
        crate::journal::open_and_release(&self.state_root()).map(drop)
    }
}

/// Returns the paths below a state root.
pub fn file_map(state_root: &Path) -> FileMap {
    let environment = Environment::default().with(env::SPEC_KITTY_HOME, state_root);
    FileMap::new(&RuntimeRoot::of_process(&environment).expect("the root is given"))
}

/// Returns where the queue of the measured project lies below a state root.
pub fn scope(state_root: &Path) -> Scope {
    Scope {
        paths: file_map(state_root).project_scope(PROJECT),
        name: PROJECT.to_owned(),
    }
}

/// Writes a file that need not survive anything.
///
/// # Errors
/// The operating system's.
pub fn put(path: &Path, text: &str) -> io::Result<()> {
    use io::Write as _;
    std::fs::File::create(path)?.write_all(text.as_bytes())
}

/// A login that ends in ten years; its tokens open nothing.
const SESSION: &str = r#"{"user_id": "u-1", "email": "bench@spec-kitty.local", "name": "Bench",
"teams": [{"id": "t-private", "name": "Private", "role": "owner", "is_private_teamspace": true, "slug": "t-private"}],
"default_team_id": "t-private", "access_token": "bench-access", "refresh_token": "bench-refresh",
"session_id": "s-1", "issued_at": "2026-01-01T00:00:00+00:00",
"access_token_expires_at": "2099-01-01T00:00:00+00:00",
"refresh_token_expires_at": "2099-01-01T00:00:00+00:00", "scope": "offline_access",
"storage_backend": "file", "last_used_at": "2026-01-01T00:00:00+00:00",
"auth_method": "device_code", "generation": 1}"#;

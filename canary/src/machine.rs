//! A machine of one scenario: home, state root and repository in a directory of their own, and the
//! binary under test, which is only ever called as anybody calls it.

mod call;
mod log;

pub use call::{CallError, Called};
pub use log::Log;

pub(crate) use call::run;

use crate::ports::Uplink;
use call::Talk;
use kitty_config::{Environment, FileMap, RuntimeRoot, env};
use kitty_runtime::crashsafe::{self, Durability};
use kitty_runtime::fs::SharedFilesystem;
use kitty_runtime::process::{Listed, ProcessSignal, of_this_user};
use std::cell::RefCell;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

/// How long one command of the binary under test may take.
pub(crate) const CALL_LIMIT: Duration = Duration::from_secs(180);
/// How long a process that was left behind may take to end in order.
const END_LIMIT: Duration = Duration::from_secs(5);

/// What all machines of a run have in common.
#[derive(Debug, Clone)]
pub struct Bench {
    /// The binary under test.
    pub program: PathBuf,
    /// Where programs such as git are found.
    pub search_path: OsString,
    /// The server.
    pub url: String,
    /// Where calls are written down.
    pub log: Rc<Log>,
    /// The file system.
    pub filesystem: SharedFilesystem,
}

/// One isolated machine.
#[derive(Debug)]
pub struct Machine {
    bench: Bench,
    base: PathBuf,
    map: FileMap,
    /// Where commands are called: the checkout, or another working tree of it.
    place: RefCell<PathBuf>,
    /// How the server is reached; as the bench says without one.
    uplink: Option<Box<dyn Uplink>>,
}

/// Whether captured events leave at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventSync {
    /// They are kept, so that they can be looked at before they leave.
    Withheld,
    /// They are delivered.
    Delivering,
}

/// The repository of a machine.
const CHECKOUT: &str = "checkout";

const GIT_CONFIG: &str = "[user]\n\tname = Canary\n\temail = canary@example.invalid\n[commit]\n\
    \tgpgsign = false\n[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n";

impl Machine {
    /// Makes the directories and an empty repository on a branch of its own.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn new(bench: &Bench, base: &Path, remote: &str) -> Result<Self, CallError> {
        let machine = Self::bare(bench, base)?;
        crashsafe::create_dir_all(&*bench.filesystem, &machine.checkout())
            .map_err(|error| unprepared(&machine.checkout(), &error))?;
        machine.git(&["init", "--quiet", "--initial-branch=main"])?;
        machine.git(&["commit", "--quiet", "--allow-empty", "-m", "Begin"])?;
        machine.git(&["remote", "add", "origin", remote])?;
        machine.git(&["checkout", "--quiet", "-b", "work"])?;
        Ok(machine)
    }

    /// Makes the directories and a clone of a repository.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn cloned(bench: &Bench, base: &Path, origin: &str) -> Result<Self, CallError> {
        let machine = Self::bare(bench, base)?;
        let words = ["clone", "--quiet", origin, "checkout"];
        machine.git_in(base, &words)?;
        Ok(machine)
    }

    /// Makes the directories of a machine without a repository.
    fn bare(bench: &Bench, base: &Path) -> Result<Self, CallError> {
        let state = base.join("state");
        let environment = Environment::default().with(env::SPEC_KITTY_HOME, &state);
        let root = RuntimeRoot::of_process(&environment)
            .map_err(|error| CallError::Preparation(error.to_string()))?;
        let machine = Self {
            bench: bench.clone(),
            base: base.to_owned(),
            map: FileMap::new(&root),
            place: RefCell::new(base.join(CHECKOUT)),
            uplink: None,
        };
        for directory in [base.join("home"), state] {
            crashsafe::create_dir_all(&*bench.filesystem, &directory)
                .map_err(|error| unprepared(&directory, &error))?;
        }
        machine.write(&base.join("gitconfig"), GIT_CONFIG.as_bytes())?;
        machine.event_sync(EventSync::Withheld)?;
        Ok(machine)
    }

    /// Reaches the server another way from now on.
    #[must_use]
    pub fn with_uplink(mut self, uplink: Box<dyn Uplink>) -> Self {
        self.uplink = Some(uplink);
        self
    }

    /// Takes the machine's way to the server away, or gives it back.
    ///
    /// # Panics
    /// The machine has no uplink of its own.
    pub fn set_online(&self, online: bool) {
        let uplink = self.uplink.as_deref();
        uplink
            .expect("a machine that goes offline has an uplink")
            .set_open(online);
    }

    /// Calls the commands that follow in another working tree of the repository.
    pub fn go_to(&self, directory: &Path) {
        self.place.replace(directory.to_owned());
    }

    /// The repository.
    #[must_use]
    pub fn checkout(&self) -> PathBuf {
        self.base.join(CHECKOUT)
    }

    /// The files below the state root.
    #[must_use]
    pub fn map(&self) -> &FileMap {
        &self.map
    }

    /// A place for files that are no part of the machine.
    #[must_use]
    pub fn beside(&self, name: &str) -> PathBuf {
        self.base.join(name)
    }

    /// Writes the settings that a person would: whether events leave, and no background daemon.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn event_sync(&self, event_sync: EventSync) -> Result<(), CallError> {
        self.settings(event_sync, "manual")
    }

    /// Lets events leave, and lets the binary under test start its daemon.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn allow_daemon(&self) -> Result<(), CallError> {
        self.settings(EventSync::Delivering, "auto")
    }

    fn settings(&self, event_sync: EventSync, daemon: &str) -> Result<(), CallError> {
        let mode = match event_sync {
            EventSync::Withheld => "local_retention",
            EventSync::Delivering => "teamspace",
        };
        let settings = format!(
            "[sync]\nbackground_daemon = \"{daemon}\"\n\n[event_sync]\nmode = \"{mode}\"\n"
        );
        self.write(&self.map.config_toml(), settings.as_bytes())
    }

    /// Writes a file, replacing one that is there.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), CallError> {
        crashsafe::replace(
            &*self.bench.filesystem,
            path,
            bytes,
            Durability::ProcessDeath,
        )
        .map_err(|error| CallError::Preparation(format!("{}: {error}", path.display())))
    }

    fn url(&self) -> &str {
        let uplink = self.uplink.as_deref();
        uplink.map_or(&self.bench.url, |uplink| uplink.url())
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(&*self.place.borrow())
            .env_clear()
            .env("PATH", &self.bench.search_path)
            .env(env::HOME.name, self.base.join("home"))
            .env(env::SPEC_KITTY_HOME.name, self.map.root())
            .env(env::SPEC_KITTY_SAAS_URL.name, self.url())
            .env(env::SPEC_KITTY_ENABLE_SAAS_SYNC.name, "1")
            .env(env::SPEC_KITTY_NO_UPGRADE_CHECK.name, "1")
            .env(env::NO_COLOR.name, "1")
            .env("GIT_CONFIG_GLOBAL", self.base.join("gitconfig"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("COLUMNS", "200")
            .env("LANG", "C.UTF-8")
            .env("PYTHONUNBUFFERED", "1");
        if let Some(uplink) = &self.uplink {
            command.envs(uplink.environment());
        }
        command
    }

    /// Runs a command of the binary under test, however it ends.
    ///
    /// # Errors
    /// [`CallError`] when it cannot be started or does not end in time.
    pub fn spec_kitty(&self, words: &[&str]) -> Result<Called, CallError> {
        self.spec_kitty_at_width(words, "200")
    }

    /// The same at a terminal of another width.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn spec_kitty_at_width(&self, words: &[&str], width: &str) -> Result<Called, CallError> {
        let mut command = self.command(&self.bench.program);
        command.args(words).env("COLUMNS", width);
        let called = run(
            command,
            &format!("spec-kitty {}", words.join(" ")),
            CALL_LIMIT,
        );
        self.bench.log.called(&called);
        called
    }

    /// Starts a command of the binary under test whose lines are read while it runs.
    pub(crate) fn talk(&self, words: &[&str]) -> Result<Talk, CallError> {
        let mut command = self.command(&self.bench.program);
        command.args(words);
        Talk::start(
            command,
            &format!("spec-kitty {}", words.join(" ")),
            CALL_LIMIT,
        )
    }

    /// Writes down what a talk was.
    pub(crate) fn note(&self, called: &Result<Called, CallError>) {
        self.bench.log.called(called);
    }

    /// Runs git; it must succeed.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn git(&self, words: &[&str]) -> Result<(), CallError> {
        self.git_in(&self.checkout(), words)
    }

    /// Runs git in another working tree of the repository; it must succeed.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn git_in(&self, directory: &Path, words: &[&str]) -> Result<(), CallError> {
        let mut command = self.command(Path::new("git"));
        command.args(words).current_dir(directory);
        let called = run(command, &format!("git {}", words.join(" ")), CALL_LIMIT)?;
        if called.code == Some(0) {
            return Ok(());
        }
        let told = called.told();
        Err(CallError::Preparation(format!("{}: {told}", called.words)))
    }

    /// Commits whatever has changed, if anything has.
    ///
    /// # Errors
    /// [`CallError`].
    pub fn commit(&self, message: &str) -> Result<(), CallError> {
        self.git(&["add", "--all"])?;
        self.git(&["commit", "--quiet", "--allow-empty", "-m", message])
    }

    /// Ends every process that was started with this machine's state root and still runs: a daemon that
    /// the binary under test left must not outlive its scenario.
    pub fn end_leftovers(&self) {
        let root = self.map.root().as_os_str();
        let ours = |listed: &Listed| listed.variable(env::SPEC_KITTY_HOME.name) == Some(root);
        for listed in of_this_user(|_| true).iter().filter(|listed| ours(listed)) {
            let process = &listed.identity;
            if process.signal(ProcessSignal::Terminate) && !process.ends_within(END_LIMIT) {
                let _ = process.signal(ProcessSignal::Kill);
            }
        }
    }
}

fn unprepared(path: &Path, error: &dyn std::fmt::Display) -> CallError {
    CallError::Preparation(format!("{}: {error}", path.display()))
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.end_leftovers();
    }
}

//! A machine of its own for every test: home, state root and repository in one temporary directory.

use super::process::{
    Run, Running, Trace, is_installed, is_superuser, program, run, skip, variable, wrap,
};
use super::terminal::Terminal;
use kitty_config::{Environment, FileMap, RuntimeRoot, env};
use kitty_runtime::body::BodyTask;
use kitty_runtime::fs::os_filesystem;
use kitty_runtime::inbox::Inbox;
use kitty_runtime::owner::Scope;
use kitty_runtime::record::{CaptureScope, RecordKind, RecordView};
use kitty_runtime::snapshot::open_events;
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// The home, the state root and the repository of one test; nothing of it is shared.
pub struct Sandbox {
    _directory: TempDir,
    base: PathBuf,
    pub(super) environment: BTreeMap<OsString, OsString>,
}

impl Sandbox {
    /// The minimal scaffold of document 1: git on `main`, one commit, a bare `.kittify/`.
    ///
    /// The state root does not exist yet.
    pub fn new() -> Self {
        let sandbox = Self::empty();
        sandbox.make_repository(&sandbox.repo());
        sandbox
    }

    /// Only the directories: no repository, no project.
    pub fn empty() -> Self {
        let directory = tempfile::Builder::new()
            .prefix("spec-kitty-it-")
            .tempdir()
            .unwrap();
        let base = directory.path().canonicalize().unwrap();
        for name in ["home", "repo"] {
            std::fs::create_dir(base.join(name)).unwrap();
        }
        write(
            &base.join("gitconfig"),
            "[user]\n\tname = Test\n\temail = test@example.invalid\n[commit]\n\tgpgsign = false\n\
             [gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n",
        );
        let mut environment = BTreeMap::new();
        let mut set = |name: &str, value: OsString| {
            environment.insert(OsString::from(name), value);
        };
        set("PATH", variable("PATH").unwrap_or_default());
        set("HOME", base.join("home").into());
        set("SPEC_KITTY_HOME", base.join("state").into());
        set("GIT_CONFIG_GLOBAL", base.join("gitconfig").into());
        set("GIT_CONFIG_NOSYSTEM", "1".into());
        Self {
            _directory: directory,
            base,
            environment,
        }
    }

    /// The sandbox with hosted sync on and a server.
    pub fn hosted(url: &str) -> Self {
        let mut sandbox = Self::new();
        sandbox.host(url);
        sandbox
    }

    /// Turns hosted sync on for every later call, for events alone: commands that change a mission add
    /// those of its artifacts to their own, and most tests count their own.
    pub fn host(&mut self, url: &str) {
        self.set("SPEC_KITTY_SYNC_ARTIFACTS", "0");
        self.set("SPEC_KITTY_ENABLE_SAAS_SYNC", "1");
        self.set("SPEC_KITTY_SAAS_URL", url);
    }

    /// Lets missions' artifacts be told of, as they are for everybody by default.
    pub fn with_artifacts(mut self) -> Self {
        self.unset("SPEC_KITTY_SYNC_ARTIFACTS");
        self
    }

    /// Sets a variable for every later call.
    pub fn set(&mut self, name: &str, value: impl AsRef<OsStr>) {
        self.environment
            .insert(name.into(), value.as_ref().to_owned());
    }

    /// Removes a variable for every later call.
    pub fn unset(&mut self, name: &str) {
        self.environment.remove(OsStr::new(name));
    }

    /// The temporary directory that everything lies in.
    pub fn base(&self) -> &Path {
        &self.base
    }

    pub fn home(&self) -> PathBuf {
        self.base.join("home")
    }

    pub fn state(&self) -> PathBuf {
        self.base.join("state")
    }

    pub fn repo(&self) -> PathBuf {
        self.base.join("repo")
    }

    /// Makes a repository with one commit on `main` and a bare `.kittify/`.
    pub fn make_repository(&self, path: &Path) {
        std::fs::create_dir_all(path.join(".kittify")).unwrap();
        self.git_in(path, &["init", "--quiet", "--initial-branch=main"]);
        self.git_in(path, &["commit", "--quiet", "--allow-empty", "-m", "Begin"]);
    }

    /// Runs git in the repository; it must succeed.
    pub fn git(&self, arguments: &[&str]) -> String {
        self.git_in(&self.repo(), arguments)
    }

    pub fn git_in(&self, directory: &Path, arguments: &[&str]) -> String {
        let mut command = Command::new("git");
        command
            .args(arguments)
            .current_dir(directory)
            .env_clear()
            .envs(&self.environment);
        run(&mut command)
            .expect_code(0)
            .stdout
            .trim_end()
            .to_owned()
    }

    /// A call of the program in the repository.
    pub fn call<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Call<'_> {
        let mut command = Command::new(program());
        command
            .args(arguments)
            .current_dir(self.repo())
            .env_clear()
            .envs(&self.environment);
        Call {
            sandbox: self,
            command,
        }
    }

    /// Another program in the repository, with the environment of this machine.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.repo())
            .env_clear()
            .envs(&self.environment);
        command
    }

    /// Runs the program in the repository.
    pub fn run<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Run {
        self.call(arguments).run()
    }

    /// Runs a command that must end with 0 and print one JSON document.
    #[track_caller]
    pub fn json<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Value {
        self.run(arguments).expect_code(0).json()
    }

    /// Creates a mission and returns its answer.
    #[track_caller]
    pub fn create_mission(&self, slug: &str) -> Value {
        let created = self.json(&["agent", "mission", "create", slug, "--json"]);
        assert_eq!(created["result"], "success");
        created
    }

    /// Returns the events that would leave, in order, as the exact lines of `sync preview`; those of
    /// dossiers apart, which every command may add to.
    pub fn preview(&self) -> Vec<String> {
        let preview = self.run(&["sync", "preview"]).expect_code(0);
        let is_event = |line: &&str| !line.contains("\"content_body\":") && !is_of_a_dossier(line);
        let events = preview.stdout.lines().filter(is_event);
        events.map(str::to_owned).collect()
    }

    /// Returns the ids of the events that would leave, in order.
    pub fn waiting(&self) -> Vec<String> {
        let id = |line: &String| event_id(line);
        self.preview().iter().map(id).collect()
    }

    /// Maps the files below this sandbox's state root.
    pub fn map(&self) -> FileMap {
        let environment = Environment::default().with(env::SPEC_KITTY_HOME, self.state());
        FileMap::new(&RuntimeRoot::of_process(&environment).unwrap())
    }

    /// The project's UUID, as the command line tells it.
    pub fn project_uuid(&self) -> String {
        let status = self.json(&["sync", "status", "--json"]);
        status["project_uuid"].as_str().unwrap().to_owned()
    }
}

/// Tells whether an event tells of a mission's artifacts. Commands that change a mission tell of them
/// after their own events; tests of the latter look at those alone.
pub fn is_of_a_dossier(event: &str) -> bool {
    event.contains("\"aggregate_type\":\"MissionDossier\"")
}

/// Reads the id of an event.
pub fn event_id(event: &str) -> String {
    let event: Value = serde_json::from_str(event).unwrap();
    event["event_id"].as_str().unwrap().to_owned()
}

/// Reads what the body of an upload is stored as.
pub fn task_of(request: &Value) -> BodyTask {
    let mut task = request.clone();
    let fields = task.as_object_mut().unwrap();
    fields.remove("admission_generation");
    fields.remove("binding_audience");
    serde_json::from_value(task).unwrap()
}

/// One call of the program.
pub struct Call<'a> {
    sandbox: &'a Sandbox,
    command: Command,
}

impl Call<'_> {
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    pub fn directory(mut self, directory: impl AsRef<Path>) -> Self {
        self.command.current_dir(directory);
        self
    }

    pub fn run(mut self) -> Run {
        run(&mut self.command)
    }

    /// Starts it at a terminal.
    pub fn at_terminal(self) -> Terminal {
        Terminal::start(self.command)
    }

    /// Starts a shell line at a terminal, in which `"$@"` stands for the call.
    pub fn at_terminal_within_shell(self, script: &str) -> Terminal {
        let mut shell = Command::new("sh");
        shell.args(["-c", script, "sh"]);
        Terminal::start(wrap(shell, &self.command))
    }

    pub fn start(mut self) -> Running {
        Running::start(&mut self.command)
    }

    /// Takes the power over permissions away that the superuser has; `None` (after saying so) where
    /// that cannot be done. For everybody else nothing changes.
    pub fn powerless(self) -> Option<Self> {
        if !is_superuser() {
            return Some(self);
        }
        if !is_installed("setpriv") {
            skip("the superuser needs setpriv to be stopped by permissions");
            return None;
        }
        let mut wrapper = Command::new("setpriv");
        wrapper.args(["--bounding-set", "-dac_override,-dac_read_search", "--"]);
        Some(Self {
            command: wrap(wrapper, &self.command),
            ..self
        })
    }

    /// Runs it under strace; `None` where there is none.
    pub fn trace(self) -> Option<Trace> {
        // Traces lie outside of everything that tests compare.
        Trace::run(&self.command, &self.sandbox.base.join("traces"))
    }

    /// Runs a shell line in which `"$@"` stands for the call.
    pub fn within_shell(self, script: &str) -> Run {
        let mut shell = Command::new("sh");
        shell.args(["-c", script, "sh"]);
        run(&mut wrap(shell, &self.command))
    }
}

/// Writes a file, making its directory.
pub fn write(path: &Path, text: impl AsRef<[u8]>) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut file = std::fs::File::create(path).unwrap();
    file.write_all(text.as_ref()).unwrap();
}

/// Sets the permission bits of a file or directory.
pub fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Writes an executable script, through another process.
///
/// A file that is written here is open for writing also in every process that another test starts at
/// that moment, and nobody can run it until that process has begun its own program.
pub fn write_script(path: &Path, script: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut shell = Command::new("/bin/sh")
        .args(["-c", "cat > \"$1\" && chmod 755 \"$1\"", "sh"])
        .arg(path)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    // The pipe is closed at the end of the statement, which ends `cat`.
    let written = shell.stdin.take().unwrap().write_all(script.as_bytes());
    assert!(shell.wait().unwrap().success() && written.is_ok());
}

impl Sandbox {
    /// Puts the body of an upload into the queue by hand, unseen by the gate; returns its id.
    pub fn plant_body(&self, request: &Value) -> String {
        self.plant_bodies(std::slice::from_ref(request)).remove(0)
    }

    /// Puts the bodies of uploads into the queue by hand, a hundred per file; returns their ids.
    pub fn plant_bodies(&self, requests: &[Value]) -> Vec<String> {
        let inbox = Inbox::new(
            os_filesystem(),
            self.map().project_scope(&self.project_uuid()),
        );
        let tasks: Vec<BodyTask> = requests.iter().map(task_of).collect();
        for tasks in tasks.chunks(100) {
            let records: Vec<(String, Vec<u8>)> = tasks
                .iter()
                .map(|task| (task.id(), task.to_bytes()))
                .collect();
            let views: Vec<RecordView<'_>> = records
                .iter()
                .map(|(id, payload)| RecordView {
                    sequence: 0,
                    kind: RecordKind::Body,
                    captured_ms: 1,
                    scope: CaptureScope::NOBODY,
                    id,
                    payload,
                })
                .collect();
            inbox.append(1, &views).unwrap();
        }
        tasks.iter().map(BodyTask::id).collect()
    }

    /// Everything that this project has captured, delivered or not, in order; dossiers apart.
    pub fn stored_events(&self) -> Vec<Value> {
        let mut events = self.all_stored_events();
        events.retain(|event| event["aggregate_type"] != "MissionDossier");
        events
    }

    /// Everything that this project has captured, delivered or not, in order.
    pub fn all_stored_events(&self) -> Vec<Value> {
        let lines = self.stored_lines();
        lines
            .iter()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// The same, as the exact bytes that are stored.
    pub fn stored_lines(&self) -> Vec<String> {
        let project = self.project_uuid();
        let scope = Scope {
            paths: self.map().project_scope(&project),
            name: project,
        };
        let events = open_events(&os_filesystem(), &scope, None, usize::MAX).unwrap();
        let text = |(_, event): (String, Vec<u8>)| String::from_utf8(event).unwrap();
        events.into_iter().map(text).collect()
    }
}

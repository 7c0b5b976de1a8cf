//! The quickstart of document 2, its shell lines run against the program and a real Teamspace.
//!
//! The lines stand here as they stand there, also their order; comments and expectations of the
//! document became assertions. `Shell` lets `spec-kitty` be the program under test, `~/.spec-kitty`
//! the state root of the test and `/tmp` its directory. What else had to be adapted:
//!
//! | Line of the document | Here | Why |
//! |---|---|---|
//! | `unset SPEC_KITTY_ENABLE_SAAS_SYNC` at the start | the sandbox never sets it | no shell lives from line to line |
//! | `export SPEC_KITTY_ENABLE_SAAS_SYNC=1` | `Sandbox::set` | the same |
//! | "no such command: tracker" | `No such command 'tracker'.` | what the released program prints (reference 7) |
//! | verify with `lsof -i` or without WiFi | strace: no socket is made, no file written | says it of every moment, not of one |
//! | `rm -f ~/.spec-kitty/auth.json` | as it stands, and nobody has logged in | the session lies elsewhere today (reference 10.3) |
//! | `spec-kitty auth login` "follow the dev-saas flow" | `auth login --headless`, approved by the test | no browser |
//! | `python -c` that empties `server_url` | `printf` of what it writes | no Python in a test of a binary; `tomllib` cannot write, so its last branch is what ever ran |
//! | `Run …` of MISSING_HOST_CONFIG is not quoted | byte for byte the reference's | reference 7 |
//! | "for feature ..." | the project's name | reference 7 |
//! | `https://spec-kitty-dev.fly.dev` | the address of the Teamspace of the test | loopback only |
//! | `git init` | `git init -q` | its advice about branch names is not ours |
//! | manual lines on `tracker sync run` | as the document; 3.2.7 runs once instead | the document is the contract (reference 10.4) |
//! | the daemon spawns on `tracker sync run` in auto mode | as the document; 3.2.7 never does | the same |
//! | `pip show spec-kitty-tracker \| grep Version` | the program's version and bytes are what they were | there is no such package; the intent is that nothing installed was changed |
//! | `python -c "… is_saas_sync_enabled()"`, twice | `tracker` and `issue-search`, and `--help` about both | there are no shims; the two doors of the one rollout decision agree with the environment |

use crate::support::crew::Crew;
use crate::support::daemons::DaemonMachine;
use crate::support::process::program;
use crate::support::sandbox::Sandbox;
use crate::support::teamspace::Teamspace;
use crate::support::tree::Tree;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::path::PathBuf;

const MANUAL: &str = "Background sync is in manual mode (`[sync].background_daemon = \"manual\"`).\n\
                      Run `spec-kitty sync run` to perform a one-shot remote sync.\n";

/// An operator's shell on one machine: it stays in the directory that it was sent to.
struct Shell {
    machine: DaemonMachine,
    directory: RefCell<PathBuf>,
    installed: (String, Vec<u8>),
}

impl Shell {
    fn on(sandbox: Sandbox) -> Self {
        let version = sandbox.run(&["--version"]).expect_code(0).stdout;
        Self {
            directory: RefCell::new(sandbox.repo()),
            installed: (version, std::fs::read(program()).unwrap()),
            machine: DaemonMachine::of(sandbox),
        }
    }

    /// Runs one line and returns what it printed and its exit code; errors are shown after the rest.
    fn line(&self, line: &str) -> (String, i32) {
        let base = self.machine.base();
        let line = line
            .replace("spec-kitty ", "spec_kitty ")
            .replace("~/.spec-kitty", "\"$SPEC_KITTY_HOME\"")
            .replace("/tmp", &base.display().to_string());
        let place = base.join("directory");
        let script = format!(
            "program=\"$1\"\nspec_kitty() {{ \"$program\" \"$@\"; }}\n\
             trap 'pwd > {}' EXIT\n{line}\n",
            place.display()
        );
        let call = self.machine.call(&["--version"]);
        let call = call.directory(&*self.directory.borrow());
        let run = call.within_shell(&script);
        let now = std::fs::read_to_string(place).unwrap();
        *self.directory.borrow_mut() = now.trim_end().into();
        (run.stdout.clone() + &run.stderr, run.code())
    }

    #[track_caller]
    fn gives(&self, line: &str, code: i32, expected: &str) {
        let outcome = self.line(line);
        assert_eq!(outcome, (expected.to_owned(), code), "{line}");
    }

    #[track_caller]
    fn begins(&self, line: &str, code: i32, beginning: &str) {
        let (said, ended) = self.line(line);
        assert!(said.starts_with(beginning), "{line}: {said}");
        assert_eq!(ended, code, "{line}: {said}");
    }

    #[track_caller]
    fn lists_nothing(&self, line: &str) {
        let (listed, code) = self.line(line);
        assert_eq!(listed, "", "{line}");
        assert_ne!(code, 0, "{line}");
    }

    /// The same commands once more, under the eyes of the kernel: no network, no daemon, no file.
    fn touches_nothing(&self, commands: &[&[&str]]) {
        let state = Tree::of(&self.machine.state());
        for command in commands {
            let call = self.machine.call(command);
            let Some(trace) = call.directory(&*self.directory.borrow()).trace() else {
                return;
            };
            trace.reached_nobody();
            trace.wrote_only_below(&[]);
        }
        crate::support::tree::assert_unchanged(&state, &self.machine.state());
        assert!(self.machine.record().is_none(), "no daemon runs");
    }

    /// "After every scenario, run": nothing installed has changed, and both doors of the hosted
    /// surface stand as the environment says.
    fn negative_verification(&self, is_enabled: bool) {
        let version = self.machine.run(&["--version"]).expect_code(0).stdout;
        let installed = (version, std::fs::read(program()).unwrap());
        assert!(installed == self.installed, "the program was changed");
        let code = if is_enabled { 0 } else { 2 };
        for door in ["tracker", "issue-search"] {
            let (said, ended) = self.line(&format!("spec-kitty {door} --help"));
            assert_eq!(ended, code, "{said}");
            let is_listed = self.line(&format!("spec-kitty --help | grep -i {door}")).1 == 0;
            assert_eq!(is_listed, is_enabled, "{door}");
        }
    }

    /// The document's clean-up; afterwards the machine is a customer's again.
    fn clean_up(&self) {
        let lines = "unset SPEC_KITTY_ENABLE_SAAS_SYNC\n\
                     spec-kitty config set sync.background_daemon auto\n\
                     rm -rf /tmp/empty-repo\n";
        *self.directory.borrow_mut() = self.machine.repo();
        self.gives(lines, 0, "");
        assert!(!self.machine.base().join("empty-repo").exists());
        let hidden = "unset SPEC_KITTY_ENABLE_SAAS_SYNC\nspec-kitty --help | grep -i tracker";
        self.gives(hidden, 1, "");
    }
}

/// A tracker with one resource, named as the repository of the document is.
fn issues() -> Value {
    json!({"resources": [{"provider": "linear", "key": "DEV", "name": "empty-repo",
        "workspace": "Acme", "issues": [{"title": "One"}, {"title": "Two"}]}]})
}

/// A machine of an internal tester, and the server.
fn tester() -> (Shell, Teamspace) {
    let teamspace = Crew::teamspace(&issues());
    let mut sandbox = Sandbox::new();
    sandbox.set("SPEC_KITTY_ENABLE_SAAS_SYNC", "1");
    let shell = Shell::on(sandbox);
    let server = format!("spec-kitty config set sync.server_url {}", teamspace.url());
    shell.gives(&server, 0, "");
    (shell, teamspace)
}

/// Logs in, makes the empty repository and binds it.
fn bound_tester() -> (Shell, Teamspace) {
    let (shell, teamspace) = tester();
    Crew::log_in_to(&teamspace, &shell.machine);
    shell.gives(
        "cd /tmp && mkdir empty-repo && cd empty-repo && git init -q",
        0,
        "",
    );
    shell.begins("spec-kitty tracker bind", 0, "Tracker binding saved\n");
    (shell, teamspace)
}

#[test]
fn scenario_1_a_customers_machine_sees_nothing() {
    let shell = Shell::on(Sandbox::new());
    shell.gives("spec-kitty --help | grep -i tracker", 1, "");
    let (said, code) = shell.line("spec-kitty tracker --help");
    assert!(said.contains("No such command 'tracker'."), "{said}");
    assert_eq!(code, 2);
    shell.lists_nothing("ls ~/.spec-kitty/sync-daemon* 2>/dev/null");
    let (said, code) = shell.line("spec-kitty status");
    assert_eq!(code, 0, "{said}");
    assert!(!shell.machine.state().exists());
    shell.touches_nothing(&[
        &["--help"],
        &["tracker", "--help"],
        &["tracker"],
        &["status"],
    ]);
    shell.negative_verification(false);
    assert!(!shell.machine.state().exists());
}

#[test]
fn scenario_2_every_missing_prerequisite_has_its_own_words() {
    let (shell, teamspace) = tester();
    shell.gives(
        "spec-kitty --help | grep -i tracker | grep -c 'Hosted SaaS tracker commands'",
        0,
        "1\n",
    );
    shell.gives("rm -f ~/.spec-kitty/auth.json", 0, "");
    shell.gives(
        "spec-kitty tracker status",
        1,
        "No SaaS authentication token is present.\n\nRun `spec-kitty auth login`.\n",
    );
    Crew::log_in_to(&teamspace, &shell.machine);
    let clear = "printf '[sync]\\nserver_url = \"\"\\n' > ~/.spec-kitty/config.toml";
    shell.gives(clear, 0, "");
    shell.gives(
        "spec-kitty tracker status",
        1,
        "No SaaS host URL is configured.\n\nSet `SPEC_KITTY_SAAS_URL` in your environment.\n",
    );
    let server = format!("spec-kitty config set sync.server_url {}", teamspace.url());
    shell.gives(&server, 0, "");
    shell.gives(
        "cd /tmp && mkdir empty-repo && cd empty-repo && git init -q",
        0,
        "",
    );
    shell.gives(
        "spec-kitty tracker status",
        1,
        "No tracker binding exists for feature `empty-repo`.\n\n\
         Run `spec-kitty tracker bind` from this repo.\n",
    );
    assert!(
        shell.machine.record().is_none(),
        "nothing of this needs a daemon"
    );
    shell.begins(
        "spec-kitty tracker bind",
        0,
        "Tracker binding saved\n- provider: linear\n",
    );
    assert_eq!(Crew::operations_at(&teamspace, &shell.machine), 0);
    shell.begins(
        "spec-kitty tracker sync run",
        0,
        "Sync run complete\n- total: 2\n",
    );
    assert_eq!(
        Crew::operations_at(&teamspace, &shell.machine),
        1,
        "the server was reached"
    );
    shell.negative_verification(true);
    shell.clean_up();
}

#[test]
fn scenario_3_manual_mode_starts_nothing_and_auto_mode_starts_the_daemon() {
    let (shell, teamspace) = bound_tester();
    shell.gives("spec-kitty config set sync.background_daemon manual", 0, "");
    for line in ["spec-kitty --help", "spec-kitty status"] {
        let (said, code) = shell.line(line);
        // The repository of the document has no missions, but `bind` has made it a project.
        assert_eq!(code, 0, "{line}: {said}");
    }
    let no_lock = "ls ~/.spec-kitty/sync-daemon.lock 2>/dev/null";
    shell.lists_nothing(no_lock);
    shell.gives("spec-kitty tracker sync run", 0, MANUAL);
    shell.lists_nothing(no_lock);
    shell.touches_nothing(&[&["--help"], &["status"], &["tracker", "sync", "run"]]);
    assert_eq!(
        Crew::operations_at(&teamspace, &shell.machine),
        0,
        "nothing was sent"
    );
    shell.negative_verification(true);
    shell.gives("spec-kitty config set sync.background_daemon auto", 0, "");
    shell.begins(
        "spec-kitty tracker sync run",
        0,
        "Sync run complete\n- total: 2\n",
    );
    shell.begins("ls ~/.spec-kitty/sync-daemon.lock", 0, "/");
    assert_eq!(shell.machine.status()["running"], true);
    assert_eq!(Crew::operations_at(&teamspace, &shell.machine), 1);
    shell.negative_verification(true);
    shell.clean_up();
}

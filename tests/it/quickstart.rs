//! The quickstart of document 2, its shell lines run against the program.

use crate::support::sandbox::Sandbox;
use crate::support::scripted_server::{ScriptedServer, Step};
use crate::support::sessions::Seed;
use serde_json::json;

/// Runs shell lines in which `spec-kitty` is the program under test.
struct Shell(Sandbox);

impl Shell {
    /// Runs one line and returns what it printed and its exit code; errors are shown with the rest.
    fn line(&self, line: &str) -> (String, i32) {
        let script = format!("program=\"$1\"; spec_kitty() {{ \"$program\" \"$@\"; }}; {line}")
            .replace("spec-kitty ", "spec_kitty ");
        let call = self.0.call(&["--version"]);
        let run = call.within_shell(&script);
        (run.stdout.clone() + &run.stderr, run.code())
    }

    #[track_caller]
    fn gives(&self, line: &str, code: i32, expected: &str) {
        let outcome = self.line(line);
        assert_eq!(outcome, (expected.to_owned(), code), "{line}");
    }

    fn daemon_files(&self) -> String {
        self.line("ls -d \"$SPEC_KITTY_HOME\"/sync-daemon* 2>/dev/null")
            .0
    }
}

#[test]
fn scenario_1_a_customers_machine_sees_nothing() {
    let shell = Shell(Sandbox::new());
    shell.gives("spec-kitty --help | grep -i tracker", 1, "");
    let (said, code) = shell.line("spec-kitty tracker --help");
    assert!(said.contains("No such command 'tracker'."), "{said}");
    assert_eq!(code, 2);
    assert_eq!(shell.daemon_files(), "");
    let (_, code) = shell.line("spec-kitty status");
    assert_eq!(code, 0);
    assert!(!shell.0.state().exists());
}

#[test]
fn scenario_2_every_missing_prerequisite_has_its_own_words() {
    let server = ScriptedServer::start();
    let mut sandbox = Sandbox::new();
    sandbox.set("SPEC_KITTY_ENABLE_SAAS_SYNC", "1");
    sandbox
        .run(&["config", "set", "sync.server_url", &server.url()])
        .expect_code(0);
    let shell = Shell(sandbox);
    let (tracker, code) = shell.line("spec-kitty --help | grep -i tracker");
    assert!(
        tracker.contains("Hosted SaaS tracker commands"),
        "{tracker}"
    );
    assert_eq!(code, 0);
    shell.gives(
        "spec-kitty tracker status",
        1,
        "No SaaS authentication token is present.\n\nRun `spec-kitty auth login`.\n",
    );
    shell.0.seed(&Seed::private().issued_by(&server.url()));
    let clear = "printf '[sync]\\nserver_url = \"\"\\n' > \"$SPEC_KITTY_HOME/config.toml\"";
    shell.gives(clear, 0, "");
    shell.gives(
        "spec-kitty tracker status",
        1,
        "No SaaS host URL is configured.\n\nSet `SPEC_KITTY_SAAS_URL` in your environment.\n",
    );
    shell.gives(
        &format!("spec-kitty config set sync.server_url {}", server.url()),
        0,
        "",
    );
    let empty = "mkdir -p ../empty-repo && cd ../empty-repo && git init -q";
    shell.gives(
        &format!("{empty} && spec-kitty tracker status"),
        1,
        "No tracker binding exists for feature `empty-repo`.\n\n\
         Run `spec-kitty tracker bind` from this repo.\n",
    );
    let resource = json!({"candidate_token": "c", "display_label": "Eng", "provider": "linear"});
    server.always(
        "/api/v1/tracker/resources/",
        Step::with(move |request| {
            let found = if request.query == "provider=linear" {
                vec![&resource]
            } else {
                vec![]
            };
            crate::support::scripted_server::Answer::json(200, &json!({"resources": found}))
        }),
    );
    let exact = json!({"match_type": "exact", "binding_ref": "b-1"});
    server.always("/api/v1/tracker/bind-resolve/", Step::json(200, &exact));
    let done = json!({"status": "complete", "summary": {"total": 1, "succeeded": 1}});
    server.always("/api/v1/tracker/run/", Step::json(200, &done));
    let (said, code) = shell.line("cd ../empty-repo && spec-kitty tracker bind");
    assert!(said.starts_with("Tracker binding saved\n"), "{said}");
    assert_eq!(code, 0);
    let (said, code) = shell.line("cd ../empty-repo && spec-kitty tracker sync run");
    assert!(
        said.starts_with("Sync run complete\n- total: 1\n"),
        "{said}"
    );
    assert_eq!(code, 0);
    assert_eq!(server.count("/api/v1/tracker/run/"), 1);
    // Clean-up.
    shell.gives("spec-kitty config set sync.background_daemon auto", 0, "");
    shell.gives("rm -rf ../empty-repo", 0, "");
}

#[test]
fn scenario_3_manual_mode_starts_and_sends_nothing() {
    let server = ScriptedServer::start();
    let shell = Shell(Sandbox::hosted(&server.url()));
    shell.gives("spec-kitty config set sync.background_daemon manual", 0, "");
    for line in ["spec-kitty --help", "spec-kitty status"] {
        assert_eq!(shell.line(line).1, 0, "{line}");
    }
    assert_eq!(shell.daemon_files(), "");
    shell.gives(
        "spec-kitty tracker sync run",
        0,
        "Background sync is in manual mode (`[sync].background_daemon = \"manual\"`).\n\
         Run `spec-kitty sync run` to perform a one-shot remote sync.\n",
    );
    assert_eq!(shell.daemon_files(), "");
    assert_eq!(server.connections(), 0);
    shell.gives("spec-kitty config set sync.background_daemon auto", 0, "");
}

//! Every tracker command against a Teamspace of our own: a real server process, a real login, a real
//! repository; what a command says is held against what the server itself tells.

use crate::support::crew::Crew;
use crate::support::process::Run;
use crate::support::sandbox::write;
use serde_json::{Value, json};

fn issues() -> Value {
    let issue = |key: &str, title: &str, status: &str| json!({"key": key, "title": title, "status": status, "url": format!("https://linear.example.invalid/{key}")});
    json!({"resources": [
        {"provider": "linear", "key": "ENG", "name": "Engineering", "workspace": "Acme", "issues": [
            issue("ENG-1", "Log in with a device code", "todo"),
            issue("ENG-2", "Show the queue in the status", "todo"),
            issue("ENG-3", "Retry after a rate limit", "done"),
        ]},
        {"provider": "linear", "key": "OPS", "name": "Operations", "workspace": "Acme", "issues": [
            issue("OPS-1", "Renew the certificate", "todo"),
        ]},
        {"provider": "jira", "key": "WEB", "name": "Website", "workspace": "Acme", "issues": []},
    ]})
}

fn tracker(crew: &Crew, words: &str) -> Run {
    let words: Vec<&str> = words.split(' ').collect();
    crew.machine.run(&[&["tracker"], &words[..]].concat())
}

fn json(crew: &Crew, words: &str) -> Value {
    tracker(crew, &format!("{words} --json"))
        .expect_code(0)
        .json()
}

/// A machine that is bound to `Engineering`.
fn bound() -> Crew {
    let crew = Crew::with_issues(&issues());
    tracker(&crew, "bind --provider linear --select 1").expect_code(0);
    crew
}

#[track_caller]
fn prints(run: Run, expected: &str) {
    let run = run.expect_code(0);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), (expected, ""));
}

#[test]
fn what_can_be_bound_is_found_bound_shown_and_unbound() {
    let crew = Crew::with_issues(&issues());
    let providers = json(&crew, "providers");
    assert_eq!(
        providers["saas"],
        json!(["github", "gitlab", "jira", "linear"])
    );
    prints(
        tracker(&crew, "discover --provider linear"),
        "Bindable Resources\n  1. Engineering  linear  Acme  available\n  \
         2. Operations  linear  Acme  available\n",
    );
    let unbound = tracker(&crew, "status").expect_code(1);
    let advice = "No tracker binding exists for feature `repo`.\n\nRun `spec-kitty tracker bind` from this repo.\n";
    assert_eq!(unbound.stdout, advice);
    let refused = tracker(&crew, "bind --provider linear").expect_code(1);
    for text in [
        "1. Engineering (low confidence)",
        "2. Operations",
        "Choose one with `--select N`.",
    ] {
        assert!(refused.stderr.contains(text), "{refused:?}");
    }
    let bind = tracker(&crew, "bind --provider linear --select 2").expect_code(0);
    let reference = crew.reference();
    let said = format!(
        "Tracker binding saved\n- provider: linear\n- binding_ref: {reference}\n- display_label: Operations\n"
    );
    assert_eq!(bind.stdout, said);
    let at_server = crew.tracker(&format!("status/?provider=linear&binding_ref={reference}"));
    assert_eq!(at_server["display_label"], "Operations");
    assert_eq!(at_server["project_slug"], "repo");
    let resources = json(&crew, "discover --provider linear");
    assert_eq!(resources[0]["is_bound"], false);
    assert_eq!(resources[1]["binding_ref"], reference.as_str());
    prints(
        tracker(&crew, "status"),
        "Tracker status\n- provider: linear\n- display_label: Operations\n- type: teamspace\n\
         - sync_state: never_synced\n",
    );
    let status = json(&crew, "status");
    assert_eq!(status["issue_count"], 1);
    assert_eq!(status["pending_binding_upgrade"], Value::Null);
    prints(
        tracker(&crew, "status --all"),
        "Installation-wide tracker status\n- provider: linear\n- connected: true\n- resources: 2\n\
         - bindings: 1\n  - repo: never_synced\n",
    );
    assert_eq!(
        json(&crew, "status --all"),
        crew.tracker("status/?provider=linear")
    );
    prints(tracker(&crew, "unbind"), "Tracker binding removed\n");
    assert_eq!(tracker(&crew, "status").expect_code(1).stdout, advice);
    // The server keeps its own side, and so the same project is recognised.
    let again = tracker(&crew, "bind --provider linear").expect_code(0);
    assert_eq!(again.stdout, said);
}

#[test]
fn a_known_reference_is_bound_and_a_wrong_one_is_not() {
    let crew = bound();
    let reference = crew.reference();
    let before = std::fs::read(crew.machine.repo().join(".kittify/config.yaml")).unwrap();
    let wrong = tracker(&crew, "bind --provider linear --bind-ref nonsense").expect_code(1);
    assert!(
        wrong
            .stderr
            .starts_with("Error: Binding ref 'nonsense' is not valid: binding_not_found.\n"),
        "{wrong:?}"
    );
    let after = std::fs::read(crew.machine.repo().join(".kittify/config.yaml")).unwrap();
    assert_eq!(after, before);
    tracker(&crew, "unbind").expect_code(0);
    tracker(
        &crew,
        &format!("bind --provider linear --bind-ref {reference}"),
    )
    .expect_code(0);
    assert_eq!(crew.reference(), reference);
    let only = tracker(&crew, "bind --provider jira --select 1").expect_code(0);
    assert!(
        only.stdout.contains("- display_label: Website\n"),
        "{only:?}"
    );
}

#[test]
fn issues_are_listed_searched_and_pulled() {
    let crew = bound();
    prints(
        tracker(&crew, "list-tickets --provider linear"),
        "ENG-1         todo          Log in with a device code\n\
         ENG-2         todo          Show the queue in the status\n\
         ENG-3         done          Retry after a rate limit\n",
    );
    assert_eq!(
        json(&crew, "list-tickets --provider linear --limit 2")
            .as_array()
            .unwrap()
            .len(),
        2
    );
    let search = |query: &str, more: &[&str]| {
        let words = ["issue-search", "--provider", "linear", "--query", query];
        crew.machine.run(&[&words[..], more].concat())
    };
    prints(
        search("ENG-2", &[]),
        "ENG-2         todo          Show the queue in the status\n",
    );
    prints(search("no such thing", &[]), "No tickets found\n");
    let found = search("rate limit", &["--json"]).expect_code(0).json();
    assert_eq!(found[0]["identifier"], "ENG-3");
    assert_eq!(found[0]["state"]["name"], "done");
    prints(
        tracker(&crew, "sync pull"),
        "Pull complete\n- provider: linear\n- type: teamspace\n- total: 3\n- succeeded: 3\n\
         - failed: 0\n- skipped: 0\n",
    );
    let page = tracker(&crew, "sync pull --limit 2").expect_code(0);
    assert!(page.stdout.contains("- total: 2\n"), "{page:?}");
    assert!(
        page.stdout.contains("- has_more: yes (next_cursor: "),
        "{page:?}"
    );
    let pulled = json(&crew, "sync pull");
    assert_eq!(pulled["items"][0]["external_issue_key"], "ENG-1");
}

#[test]
fn a_push_changes_the_servers_issues_and_maps_work_packages() {
    let crew = bound();
    prints(tracker(&crew, "map list"), "No mappings found\n");
    let items = json!([
        {"ref": {"key": "ENG-1"}, "action": "update", "patch": {"title": "Log in anywhere"}, "wp_id": "WP01"},
        {"ref": "ENG-2", "action": "transition", "target_status": "done"},
        {"action": "create", "patch": {"title": "A new one"}},
    ]);
    let file = crew.machine.base().join("items.json");
    write(&file, items.to_string());
    let push = format!("sync push --items-json {}", file.display());
    prints(
        tracker(&crew, &push),
        "Push complete\n- total: 3\n- succeeded: 3\n- failed: 0\n- skipped: 0\n",
    );
    assert_eq!(crew.operations(), 1);
    let titles = |provider: &str| -> Vec<String> {
        let tickets = json(&crew, &format!("list-tickets --provider {provider}"));
        let rows = tickets.as_array().unwrap().iter();
        rows.map(|row| {
            format!(
                "{} {}",
                row["title"].as_str().unwrap(),
                row["state"]["name"].as_str().unwrap()
            )
        })
        .collect()
    };
    let now = titles("linear");
    for title in [
        "Log in anywhere todo",
        "Show the queue in the status done",
        "A new one open",
    ] {
        assert!(now.iter().any(|found| found == title), "{title}: {now:?}");
    }
    prints(
        tracker(&crew, "map list"),
        "Mappings\n- WP01: linear:ENG-1\n",
    );
    let at_server = crew.tracker("mappings/?provider=linear");
    assert_eq!(
        json(&crew, "map list --provider linear")["mappings"],
        at_server["mappings"]
    );
    assert_eq!(at_server["mappings"][0]["wp_id"], "WP01");
    // The same again is another operation, which changes nothing but is carried out.
    let again = json(&crew, &push);
    assert_eq!(
        again["summary"],
        json!({"total": 3, "succeeded": 1, "failed": 0, "skipped": 2})
    );
    assert_eq!(crew.operations(), 2);
    let add = tracker(&crew, "map add --wp-id WP02 --external-id x").expect_code(1);
    assert!(
        add.stderr.contains("managed in the Spec Kitty dashboard"),
        "{add:?}"
    );
    let publish = tracker(&crew, "sync publish").expect_code(1);
    assert!(
        publish.stderr.contains("Snapshot publish is not supported"),
        "{publish:?}"
    );
}

#[test]
fn a_push_that_the_server_could_not_carry_out_is_a_failure_in_both_forms() {
    let crew = bound();
    let file = crew.machine.base().join("items.json");
    let push = format!("sync push --items-json {}", file.display());
    let gone = json!({"ref": {"key": "ENG-99"}, "action": "update", "patch": {"title": "T"}});
    write(&file, json!([gone]).to_string());
    let failed = tracker(&crew, &push).expect_code(1);
    assert_eq!(
        failed.stdout,
        "Push failed\n- total: 1\n- succeeded: 0\n- failed: 1\n- skipped: 0\n"
    );
    let said = "Error: Push failed for 1 of 1 items.\n- update ENG-99: the bound resource has no such issue\n";
    assert_eq!(failed.stderr, said);
    let update = json!({"ref": {"key": "ENG-1"}, "action": "update", "patch": {"title": "T"}});
    write(&file, json!([update, gone]).to_string());
    let partly = tracker(&crew, &format!("{push} --json")).expect_code(1);
    assert_eq!(partly.json()["status"], "partial");
    assert_eq!(partly.json()["items"][1]["error_code"], "issue_not_found");
    assert_eq!(partly.stderr, said.replace("of 1 items", "of 2 items"));
    // What could be done was done.
    assert_eq!(
        json(&crew, "list-tickets --provider linear")[0]["title"],
        "T"
    );
}

#[test]
fn every_run_reaches_the_server_and_takes_in_what_is_new() {
    let crew = bound();
    let run = |total: usize| {
        let expected = format!(
            "Sync run complete\n- total: {total}\n- succeeded: {total}\n- failed: 0\n- skipped: 0\n"
        );
        prints(tracker(&crew, "sync run"), &expected);
    };
    assert_eq!(crew.operations(), 0);
    run(3);
    let first = json(&crew, "status")["last_synced_at"].clone();
    assert_eq!(crew.operations(), 1);
    run(0);
    assert_eq!(
        crew.operations(),
        2,
        "the same content is another operation"
    );
    assert_ne!(json(&crew, "status")["last_synced_at"], first);
    crew.seed(
        &json!({"resources": [{"provider": "linear", "key": "ENG", "name": "Engineering",
        "workspace": "Acme", "issues": [{"key": "ENG-4", "title": "One more"}]}]}),
    );
    assert_eq!(json(&crew, "sync run")["pull"]["succeeded"], 1);
    assert_eq!(crew.operations(), 3);
    assert_eq!(json(&crew, "status")["sync_state"], "synced");
}

#[test]
fn a_long_run_is_an_operation_that_is_polled_to_its_end() {
    let many: Vec<Value> = (1..=250)
        .map(|number| json!({"title": format!("Issue {number}")}))
        .collect();
    let crew = Crew::with_issues(&json!({"resources": [
        {"provider": "linear", "key": "BIG", "name": "Big", "workspace": "Acme", "issues": many},
    ]}));
    tracker(&crew, "bind --provider linear --select 1").expect_code(0);
    let run = json(&crew, "sync run --limit 300");
    assert_eq!(run["status"], "complete");
    assert_eq!(run["summary"]["total"], 250);
    assert_eq!(run["binding_ref"], crew.reference().as_str());
    assert_eq!(crew.operations(), 1);
    assert_eq!(json(&crew, "status")["sync_state"], "synced");
    prints(
        tracker(&crew, "sync run --limit 300"),
        "Sync run complete\n- total: 0\n- succeeded: 0\n- failed: 0\n- skipped: 0\n",
    );
    assert_eq!(crew.operations(), 2);
}

#[test]
fn a_binding_that_the_server_dropped_is_stale_until_the_project_is_bound_anew() {
    let crew = bound();
    let reference = crew.reference();
    crew.drop_binding(&reference);
    let config = std::fs::read(crew.machine.repo().join(".kittify/config.yaml")).unwrap();
    let beginning = format!("Tracker binding '{reference}' is stale: ");
    let advice = "Run `spec-kitty tracker bind --provider linear` to rebind.";
    for words in [
        "status",
        "map list",
        "sync pull",
        "sync run",
        "list-tickets --provider linear",
    ] {
        let stale = tracker(&crew, words).expect_code(1);
        assert!(
            stale.stderr.starts_with(&format!("Error: {beginning}")),
            "{stale:?}"
        );
        assert!(stale.stderr.ends_with(&format!("{advice}\n")), "{stale:?}");
        let document = tracker(&crew, &format!("{words} --json"))
            .expect_code(1)
            .json();
        assert_eq!(document["code"], "tracker_binding_stale", "{words}");
        assert!(
            document["error"].as_str().unwrap().starts_with(&beginning),
            "{document}"
        );
    }
    let now = std::fs::read(crew.machine.repo().join(".kittify/config.yaml")).unwrap();
    assert_eq!(now, config, "a stale binding is not taken away by itself");
    tracker(&crew, "bind --provider linear --select 1").expect_code(0);
    assert_ne!(crew.reference(), reference);
    assert_eq!(json(&crew, "status")["display_label"], "Engineering");
    assert_eq!(tracker(&crew, "sync run").expect_code(0).stderr, "");
}

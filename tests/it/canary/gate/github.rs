//! `--via gh`. No test has GitHub; a script stands in for `gh`, with what the gate calls of it: it keeps
//! states and comments in files, and forgets nothing.

use super::Works;
use crate::support::process::signal;
use crate::support::sandbox::write;
use std::path::PathBuf;

const GH: &str = r#"#!/bin/sh
cd "$GH_CONFIG_DIR" || exit 9
echo "$1 $2 $3" >> calls
place() { printf '%s-%s' "$(echo "$1" | tr / _)" "$2"; }
case "$1 $2" in
    'auth status') [ "$GH_TOKEN" = secret ];;
    'issue view') echo "{\"state\":\"$(cat "$(place "$5" "$3").state")\"}";;
    'issue close') echo CLOSED > "$(place "$5" "$3").state";;
    'issue reopen') echo OPEN > "$(place "$5" "$3").state";;
    'issue comment')
        cat "$7" >> "$(place "$5" "$3").md"
        echo "https://example.invalid/$5/$3"
        if [ -e close-comment ]; then : > at-comment; fi
        while [ -e close-comment ]; do sleep 0.01; done;;
    'api --paginate')
        repo=${4#repos/}; number=${repo##*issues/}; number=${number%%/*}; repo=${repo%%/issues/*}
        mark=$(grep -h '^<!--' "$(place "$repo" "$number").md" 2>/dev/null)
        [ -n "$mark" ] || { echo '[[]]'; exit 0; }
        echo "[[{\"html_url\":\"https://example.invalid/found\",\"body\":\"$mark\"}]]";;
    *) exit 8;;
esac
"#;

/// The works with a script that stands in for `gh`; returns where it keeps everything.
fn over_github() -> (Works, PathBuf) {
    let mut works = Works::new();
    let hub = works.sandbox.base().join("hub");
    let states = [
        ("Org_spec-kitty-1141", "CLOSED"),
        ("Org_spec-kitty-1182", "CLOSED"),
        ("Org_e2e-41", "OPEN"),
        ("Org_spec-kitty-1038", "OPEN"),
    ];
    for (issue, state) in states {
        write(&hub.join(format!("{issue}.state")), state);
    }
    works.stand_in("gh", GH);
    works.sandbox.set("GH_CONFIG_DIR", &hub);
    works.sandbox.set("GH_TOKEN", "secret");
    works.config.as_object_mut().unwrap().remove("issues_file");
    (works, hub)
}

#[test]
fn through_gh_a_comment_is_posted_once_although_the_gate_is_killed_before_it_hears_of_it() {
    let (works, hub) = over_github();
    write(&hub.join("close-comment"), "");
    let gate = works.start(&["--via", "gh"]);
    super::recorded::until("the comment", || hub.join("at-comment").exists());
    signal("KILL", gate.id());
    assert_eq!(gate.finish().status.code(), None);
    std::fs::remove_file(hub.join("close-comment")).unwrap();
    let document = works.gate(&["--via", "gh", "--json"]).expect_code(0).json();
    let read = |name: &str| std::fs::read_to_string(hub.join(name)).unwrap();
    for issue in ["Org_e2e-41.md", "Org_spec-kitty-1038.md"] {
        let posted = read(issue);
        assert_eq!(
            posted.matches("<!-- spec-kitty-gate:").count(),
            1,
            "{posted}"
        );
    }
    assert_eq!(read("Org_e2e-41.state").trim(), "CLOSED");
    assert_eq!(read("Org_spec-kitty-1038.state").trim(), "OPEN");
    // The log says that it was done, and where; nothing waits for a person.
    let found = "https://example.invalid/found";
    assert_eq!(
        document["acts"][0]["witness"]["executed"], found,
        "{document:#}"
    );
    assert!(document["acts"][1]["witness"]["executed"].is_string());
    assert_eq!(works.asked(), [""; 0]);
}

#[test]
fn without_via_gh_it_is_only_read_and_without_a_login_the_gate_does_not_begin() {
    let (mut works, hub) = over_github();
    works.completes();
    assert_eq!(works.asked(), ["close e2e#41", "comment spec-kitty#1038"]);
    let calls = std::fs::read_to_string(hub.join("calls")).unwrap();
    let read_only = ["auth status", "issue view"];
    let only_read = |line: &str| read_only.iter().any(|call| line.starts_with(call));
    assert!(calls.lines().all(only_read), "{calls}");
    works.sandbox.unset("GH_TOKEN");
    let refused = works.gate(&["--dir", "other"]).expect_code(2);
    assert!(refused.stderr.contains("gh auth login"), "{refused:?}");
}

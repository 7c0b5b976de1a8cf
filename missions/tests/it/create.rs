//! Creating missions: what is made, what is refused, and what stays untouched.

use crate::support::{Sandbox, names, options, with_tools};
use kitty_missions::create::{CreateError, MissionOptions, create};
use kitty_missions::files::WorktreeFilesystem;
use kitty_runtime::python_json;
use std::collections::BTreeSet;

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn a_mission_is_one_directory_and_one_commit_with_everything_but_the_specification() {
    let sandbox = Sandbox::project();
    let parent = sandbox.git(&["rev-parse", "HEAD"]);
    let created = sandbox.create("user-auth").unwrap();
    let slug = &created.mission_slug;
    assert_eq!(*slug, format!("user-auth-{}", &created.mission_id[..8]));
    assert_eq!(
        names(&created.directory),
        [
            "checklists",
            "meta.json",
            "research",
            "spec.md",
            "status.events.jsonl",
            "tasks"
        ]
    );
    assert_eq!(
        names(&created.directory.join("tasks")),
        [".gitkeep", "README.md"]
    );
    let mut committed: Vec<String> = sandbox
        .git(&["show", "--name-only", "--format=%H %P %s", "HEAD"])
        .lines()
        .map(str::to_owned)
        .collect();
    assert_eq!(
        committed.remove(0),
        format!(
            "{} {parent} Add scaffold for feature {slug}",
            created.committed.commit
        )
    );
    committed.retain(|line| !line.is_empty());
    let expected: Vec<String> = [
        "meta.json",
        "status.events.jsonl",
        "tasks/.gitkeep",
        "tasks/README.md",
    ]
    .iter()
    .map(|name| format!("kitty-specs/{slug}/{name}"))
    .collect();
    assert_eq!(committed, expected);
    assert_eq!(
        sandbox.git(&["status", "--porcelain", "--untracked-files=all"]),
        format!("?? kitty-specs/{slug}/spec.md")
    );
    assert_eq!(
        names(&sandbox.root.join(".git/spec-kitty-unfinished")),
        [""; 0]
    );
}

#[test]
fn the_rows_of_the_log_are_the_events_to_send() {
    let sandbox = Sandbox::project();
    let created = sandbox.create("user-auth").unwrap();
    let log = std::fs::read_to_string(created.directory.join("status.events.jsonl")).unwrap();
    let rows: Vec<String> = created.events.iter().map(python_json::line).collect();
    assert_eq!(log.lines().collect::<Vec<_>>(), rows);
    assert!(created.events[0].event_id < created.events[1].event_id);
    assert_eq!(created.events[0].aggregate_id, created.mission_id);
    assert_eq!(created.events[1].aggregate_id, created.mission_slug);
}

#[test]
fn the_templates_are_filled_and_hold_no_substantive_requirement() {
    let sandbox = Sandbox::project();
    let created = sandbox
        .create_with(&MissionOptions {
            friendly_name: some("Uses {mission_slug} and {nothing"),
            ..options("user-auth")
        })
        .unwrap();
    let spec = std::fs::read_to_string(created.directory.join("spec.md")).unwrap();
    assert!(spec.starts_with("# Mission specification: Uses {mission_slug} and {nothing\n"));
    assert!(spec.contains(&format!("Mission: `{}`", created.mission_slug)));
    let row = spec
        .lines()
        .find(|line| line.starts_with("| FR-001"))
        .unwrap();
    assert!(row.starts_with("| FR-001 |  |  |"), "{row}");
    let readme = std::fs::read_to_string(created.directory.join("tasks/README.md")).unwrap();
    assert!(readme.contains("planning_base_branch: main"));
    assert!(!format!("{spec}{readme}").contains("{target_branch}"));
}

#[test]
fn on_the_primary_branch_work_goes_to_lanes_and_elsewhere_to_one_branch() {
    let sandbox = Sandbox::project();
    let topology = |sandbox: &Sandbox, slug: &str| {
        let created = sandbox.create(slug).unwrap();
        let answer = python_json::line(&created);
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        answer["topology"].as_str().unwrap().to_owned()
    };
    assert_eq!(topology(&sandbox, "one"), "lanes");
    sandbox.git(&["switch", "--quiet", "--create", "work"]);
    assert_eq!(topology(&sandbox, "two"), "single_branch");
    sandbox.git(&["update-ref", "refs/remotes/origin/work", "HEAD"]);
    sandbox.git(&[
        "symbolic-ref",
        "refs/remotes/origin/HEAD",
        "refs/remotes/origin/work",
    ]);
    assert_eq!(topology(&sandbox, "three"), "lanes");
    sandbox.git(&["switch", "--quiet", "main"]);
    assert_eq!(topology(&sandbox, "four"), "single_branch");
}

#[test]
fn what_the_user_staged_and_modified_stays_exactly_as_it_is() {
    let sandbox = Sandbox::project();
    for name in ["kept", "gone", "moved"] {
        sandbox.write(name, "old\n");
    }
    sandbox.commit_all("more");
    sandbox.write("staged-new", "new\n");
    sandbox.write("kept", "staged\n");
    sandbox.git(&["add", "staged-new", "kept"]);
    sandbox.write("kept", "staged and modified\n");
    sandbox.git(&["rm", "--quiet", "--cached", "gone"]);
    sandbox.git(&["mv", "moved", "moved-away"]);
    sandbox.write("src/code.txt", "modified\n");
    sandbox.write("untracked", "x\n");
    let status = sandbox.git(&["status", "--porcelain"]);
    let staged = sandbox.git(&["diff", "--cached"]);
    sandbox.create("user-auth").unwrap();
    let ours = |line: &&str| !line.contains("kitty-specs");
    let after = sandbox.git(&["status", "--porcelain"]);
    assert_eq!(
        after.lines().filter(ours).collect::<Vec<_>>(),
        status.lines().collect::<Vec<_>>()
    );
    assert_eq!(sandbox.git(&["diff", "--cached"]), staged);
    assert_eq!(
        sandbox
            .git(&["show", "--format=", "--name-only", "HEAD"])
            .lines()
            .count(),
        4
    );
}

#[test]
fn paths_with_spaces_umlauts_and_pathspec_characters_are_ordinary_paths() {
    for below in ["a b/ü 😀", "[a]*?", ":(glob)x", "-dash", "quote\"s'"] {
        let sandbox = Sandbox::project_at(below);
        let created = sandbox.create("user-auth").unwrap();
        assert!(created.directory.starts_with(&sandbox.root));
        assert_eq!(
            sandbox.git(&["rev-list", "--count", "HEAD"]),
            "2",
            "{below}"
        );
    }
}

#[test]
fn a_project_below_the_top_of_the_repository_keeps_its_missions_there() {
    let sandbox = Sandbox::project();
    sandbox.write("deep/[x] y/.kittify/config.yaml", "");
    sandbox.write("deep/[x] y/inner/file", "");
    sandbox.commit_all("a project inside");
    let program = sandbox.program();
    let start = sandbox.root.join("deep/[x] y/inner");
    let project = kitty_missions::project::Project::locate(&program, &start, None).unwrap();
    let created = with_tools(&WorktreeFilesystem, |tools| {
        create(&project, &options("user-auth"), tools).unwrap()
    });
    let expected = sandbox
        .root
        .join("deep/[x] y/kitty-specs")
        .join(&created.mission_slug);
    assert_eq!(created.directory, expected);
    assert!(!sandbox.root.join("kitty-specs").exists());
    assert_eq!(
        created.events[1].payload["artifact_path"],
        format!("kitty-specs/{}/spec.md", created.mission_slug)
    );
}

#[test]
fn missions_are_committed_also_where_they_are_ignored() {
    let sandbox = Sandbox::project();
    sandbox.write(".gitignore", "kitty-specs/\n");
    sandbox.commit_all("ignore");
    sandbox.create("user-auth").unwrap();
    assert_eq!(
        sandbox
            .git(&["show", "--format=", "--name-only", "HEAD"])
            .lines()
            .count(),
        4
    );
}

#[test]
fn two_missions_of_one_name_within_one_second_have_handles_of_their_own() {
    let sandbox = Sandbox::project();
    let mut handles = BTreeSet::new();
    for slug in ["user-auth", "user-auth", "other", "user-auth"] {
        handles.insert(sandbox.create(slug).unwrap().mission_id[..8].to_owned());
    }
    assert_eq!(handles.len(), 4);
}

#[test]
fn creations_at_the_same_time_take_turns_and_all_succeed() {
    let sandbox = Sandbox::project();
    let slugs: Vec<String> = (0..8).map(|number| format!("mission-{number}")).collect();
    let created: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = slugs
            .iter()
            .map(|slug| scope.spawn(|| sandbox.create(slug).unwrap()))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let commits: BTreeSet<&str> = created
        .iter()
        .map(|created| created.committed.commit.as_str())
        .collect();
    let handles: BTreeSet<&str> = created
        .iter()
        .map(|created| &created.mission_id[..8])
        .collect();
    assert_eq!((commits.len(), handles.len()), (8, 8));
    assert_eq!(sandbox.git(&["rev-list", "--count", "HEAD"]), "9");
    assert_eq!(
        sandbox.git(&["status", "--porcelain", "--untracked-files=no"]),
        ""
    );
}

#[test]
fn a_start_branch_is_made_or_checked_out_first() {
    let sandbox = Sandbox::project();
    let start = |branch: &str, slug: &str| {
        sandbox
            .create_with(&MissionOptions {
                start_branch: some(branch),
                ..options(slug)
            })
            .unwrap()
    };
    assert_eq!(start("topic/new", "one").committed.branch, "topic/new");
    assert_eq!(start("main", "two").committed.branch, "main");
    assert_eq!(start("main", "three").committed.branch, "main");
    sandbox.git(&["switch", "--quiet", "--detach"]);
    assert_eq!(
        start("from-detached", "four").committed.branch,
        "from-detached"
    );
    assert_eq!(sandbox.git(&["branch", "--show-current"]), "from-detached");
}

#[test]
fn a_linked_worktree_is_used_only_when_it_is_named() {
    let sandbox = Sandbox::project();
    let linked = sandbox.base().join("linked");
    sandbox.git(&[
        "worktree",
        "add",
        "--quiet",
        "-b",
        "side",
        linked.to_str().unwrap(),
    ]);
    let program = sandbox.program();
    let project = kitty_missions::project::Project::locate(&program, &linked, None).unwrap();
    assert_eq!(project.root, sandbox.root);
    let ask = |options: &MissionOptions| {
        with_tools(&WorktreeFilesystem, |tools| {
            create(&project, options, tools)
        })
    };
    let error = ask(&options("user-auth")).unwrap_err();
    assert!(
        matches!(error, CreateError::LinkedWorktree { .. }),
        "{error}"
    );
    let owned = |path: &std::path::Path| MissionOptions {
        owned_checkout: Some(path.to_owned()),
        ..options("user-auth")
    };
    let created = ask(&owned(&linked)).unwrap();
    assert!(created.directory.starts_with(&linked));
    assert_eq!(created.committed.branch, "side");
    let answer = python_json::line(&created);
    let expected = format!(
        "\"topology\": \"single_branch\", \"owned_checkout\": \"{}\", \"canonical_repo_root\": \"{}\", \"current_branch\"",
        linked.display(),
        sandbox.root.display()
    );
    assert!(answer.contains(&expected), "{answer}");
    let foreign = Sandbox::project();
    for path in [
        foreign.root.clone(),
        sandbox.base().join("missing"),
        sandbox.root.join("src"),
    ] {
        let error = ask(&owned(&path)).unwrap_err();
        assert!(
            matches!(error, CreateError::ForeignCheckout { .. }),
            "{error}"
        );
    }
}

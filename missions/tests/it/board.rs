//! Listing missions, healthy and broken ones.

use crate::support::Sandbox;
use kitty_missions::board::{self, BoardEntry};
use kitty_missions::lane::Lane;
use kitty_missions::meta::MetaProblem;

fn row(id: u32, wp: &str, from: &str, to: &str) -> String {
    format!(
        "{{\"actor\": \"a\", \"at\": \"2026-01-01T00:00:{id:02}+00:00\", \"event_id\": \"E{id}\", \
         \"execution_mode\": \"worktree\", \"force\": false, \"mission_slug\": \"m\", \
         \"from_lane\": \"{from}\", \"to_lane\": \"{to}\", \"wp_id\": \"{wp}\"}}\n"
    )
}

fn entries(sandbox: &Sandbox) -> Vec<BoardEntry> {
    let before = sandbox.state();
    let board = board::read(&sandbox.locate()).unwrap();
    assert_eq!(sandbox.state(), before, "a listing only reads");
    board.missions
}

#[test]
fn a_project_without_missions_has_an_empty_board() {
    let sandbox = Sandbox::project();
    assert!(entries(&sandbox).is_empty());
    assert_eq!(sandbox.missions(), [""; 0]);
}

#[test]
fn work_packages_are_counted_by_lane() {
    let sandbox = Sandbox::project();
    let created = sandbox.create("user-auth").unwrap();
    let log = created.directory.join("status.events.jsonl");
    let text = std::fs::read_to_string(&log).unwrap()
        + &row(3, "WP01", "claimed", "in_progress")
        + &row(1, "WP01", "genesis", "planned")
        + &row(2, "WP01", "planned", "claimed")
        + &row(4, "WP02", "genesis", "planned");
    crate::support::write(&log, &text);
    let entries = entries(&sandbox);
    assert!(entries[0].is_healthy());
    let meta = entries[0].meta.as_ref().unwrap();
    assert_eq!(meta.mission_slug, created.mission_slug);
    assert_eq!(
        meta.mission_id.as_deref(),
        Some(created.mission_id.as_str())
    );
    assert_eq!(meta.mission_type.as_deref(), Some("software-dev"));
    assert_eq!(meta.topology.as_deref(), Some("lanes"));
    let busy: Vec<(Lane, usize)> = entries[0]
        .snapshot
        .summary()
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .collect();
    assert_eq!(busy, [(Lane::Planned, 1), (Lane::InProgress, 1)]);
}

#[test]
fn a_broken_mission_is_an_entry_with_its_problem_and_the_others_are_listed() {
    let sandbox = Sandbox::project();
    sandbox.write("kitty-specs/README.md", "a file is no mission");
    sandbox.write("kitty-specs/.hidden/meta.json", "{");
    sandbox.write("kitty-specs/a-torn/meta.json", "{\"mission_slug\": ");
    sandbox.write(
        "kitty-specs/b-legacy/meta.json",
        concat!("{\"feature", "_slug\": \"private\"}"),
    );
    std::fs::create_dir(sandbox.root.join("kitty-specs/c-empty")).unwrap();
    sandbox.write(
        "kitty-specs/d-log/meta.json",
        "{\"mission_number\": \"042\"}",
    );
    let log =
        row(1, "WP01", "genesis", "planned") + "{torn\n" + &row(2, "WP02", "planned", "nowhere");
    sandbox.write("kitty-specs/d-log/status.events.jsonl", &log);
    let outside = sandbox.base().join("outside");
    crate::support::write(&outside.join("meta.json"), "{}");
    std::os::unix::fs::symlink(&outside, sandbox.root.join("kitty-specs/e-link")).unwrap();
    sandbox.write("kitty-specs/f-inner/status.events.jsonl", "");
    std::os::unix::fs::symlink(
        outside.join("meta.json"),
        sandbox.root.join("kitty-specs/f-inner/meta.json"),
    )
    .unwrap();
    let entries = entries(&sandbox);
    let named: Vec<(&str, String)> = entries
        .iter()
        .map(|entry| {
            let problem = entry.meta.as_ref().err().map(ToString::to_string);
            (entry.name.as_str(), problem.unwrap_or_default())
        })
        .collect();
    assert_eq!(
        named,
        [
            ("a-torn", "meta.json is not a JSON object".to_owned()),
            (
                "b-legacy",
                "meta.json has the form of an earlier release: it needs `spec-kitty upgrade`"
                    .to_owned()
            ),
            ("c-empty", "meta.json is missing".to_owned()),
            ("d-log", String::new()),
            ("e-link", "it is not a plain directory".to_owned()),
            (
                "f-inner",
                "meta.json cannot be read: it is not a regular file".to_owned()
            ),
        ]
    );
    assert!(matches!(entries[1].meta, Err(MetaProblem::NeedsUpgrade)));
    let log = &entries[3];
    assert_eq!(log.meta.as_ref().unwrap().mission_number, Some(42));
    assert_eq!(log.meta.as_ref().unwrap().mission_slug, "d-log");
    let problems: Vec<String> = log.log_problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        [
            "status.events.jsonl line 2 is not a JSON object",
            "status.events.jsonl line 3: `to_lane` is missing or not understood"
        ]
    );
    assert_eq!(log.snapshot.work_packages["WP01"].lane, Lane::Planned);
    assert!(!log.is_healthy());
}

#[test]
fn a_pipe_in_the_place_of_a_file_does_not_block_the_listing() {
    let sandbox = Sandbox::project();
    let mission = sandbox.root.join("kitty-specs/x");
    std::fs::create_dir_all(&mission).unwrap();
    for name in ["meta.json", "status.events.jsonl"] {
        let status = std::process::Command::new("mkfifo")
            .arg(mission.join(name))
            .status()
            .unwrap();
        assert!(status.success());
    }
    let board = board::read(&sandbox.locate()).unwrap();
    assert!(board.missions[0].meta.is_err());
    assert_eq!(board.missions[0].log_problems.len(), 1);
}

use super::*;
use crate::workspace::LaneDependency;
use std::path::PathBuf;

fn request() -> LaneRequest {
    LaneRequest {
        mission_slug: "demo-01M7XCRB".to_owned(),
        mission_branch: "kitty/mission-demo-01M7XCRB".to_owned(),
        target_branch: "work".to_owned(),
        planning_commit: None,
        lane_id: "lane-c".to_owned(),
        depends_on: vec![LaneDependency {
            parallel_group: 0,
            lane_id: "lane-a".to_owned(),
        }],
    }
}

fn workspace() -> Workspace {
    Workspace {
        path: PathBuf::from("/p/.worktrees/demo-01M7XCRB-lane-c"),
        lane_id: "lane-c".to_owned(),
        branch: "kitty/mission-demo-01M7XCRB-lane-c".to_owned(),
        base_ref: "work".to_owned(),
    }
}

fn nothing_yet() -> Facts {
    Facts {
        target_tip: Some("t".to_owned()),
        mission_tip: None,
        lane_tip: None,
        directory: Directory::Absent {
            is_registered: false,
        },
        elsewhere: None,
        wanted: Vec::new(),
        absent_dependencies: Vec::new(),
    }
}

fn worktree(branch: &str, changes: &[&str], unfinished_merge: Option<&str>) -> Directory {
    Directory::Worktree {
        branch: Some(branch.to_owned()),
        changes: changes.iter().map(PathBuf::from).collect(),
        unfinished_merge: unfinished_merge.map(str::to_owned),
    }
}

fn wanted(lane: Option<&str>, exists: bool, is_contained: bool) -> Wanted {
    Wanted {
        commit: "c".to_owned(),
        name: "it".to_owned(),
        lane: lane.map(str::to_owned),
        described: "it".to_owned(),
        exists,
        is_contained,
    }
}

/// The steps in short, or the error's variant.
fn short(facts: &Facts) -> Vec<String> {
    match plan(&request(), &workspace(), facts) {
        Ok(steps) => steps
            .into_iter()
            .map(|step| match step {
                Step::CreateMissionBranch { commit, .. } => format!("mission at {commit}"),
                Step::RemoveHalfMade => "remove".to_owned(),
                Step::ForgetMissing => "forget".to_owned(),
                Step::AddWorktree { new_branch_at } => match new_branch_at {
                    Some(commit) => format!("add at {commit}"),
                    None => "attach".to_owned(),
                },
                Step::AbortMerge => "abort".to_owned(),
                Step::Merge { message, .. } => message,
            })
            .collect(),
        Err(error) => {
            let text = format!("{error:?}");
            let end = text.find([' ', '(', '{']).unwrap_or(text.len());
            vec![format!("error {}", &text[..end])]
        }
    }
}

#[test]
fn a_lane_is_completed_from_wherever_it_stands() {
    let ours = workspace().branch;
    let merge = "Merge dependency lane lane-a into lane-c";
    let all = nothing_yet();
    let ready = Facts {
        mission_tip: Some("m".to_owned()),
        lane_tip: Some("l".to_owned()),
        directory: worktree(&ours, &[], None),
        ..nothing_yet()
    };
    let absent = |is_registered| Directory::Absent { is_registered };
    let cases: Vec<(&str, Facts, Vec<&str>)> = vec![
        ("nothing", all.clone(), vec!["mission at t", "add at t"]),
        (
            "no target",
            Facts {
                target_tip: None,
                ..all.clone()
            },
            vec!["error NoTarget"],
        ),
        (
            "a mission branch",
            Facts {
                mission_tip: Some("m".to_owned()),
                ..all.clone()
            },
            vec!["add at m"],
        ),
        (
            "a lane without its directory",
            Facts {
                directory: absent(false),
                ..ready.clone()
            },
            vec!["attach"],
        ),
        (
            "a lane whose directory was deleted",
            Facts {
                directory: absent(true),
                ..ready.clone()
            },
            vec!["forget", "attach"],
        ),
        (
            "half a worktree",
            Facts {
                directory: Directory::HalfMade,
                ..ready.clone()
            },
            vec!["remove", "attach"],
        ),
        ("all", ready.clone(), vec![]),
        (
            "somebody's directory",
            Facts {
                directory: Directory::Foreign,
                ..all.clone()
            },
            vec!["error NotOurs"],
        ),
        (
            "another branch",
            Facts {
                directory: worktree("main", &[], None),
                ..ready.clone()
            },
            vec!["error OtherBranch"],
        ),
        (
            "the branch elsewhere",
            Facts {
                directory: absent(false),
                elsewhere: Some(PathBuf::from("/x")),
                ..ready.clone()
            },
            vec!["error Elsewhere"],
        ),
        (
            "uncommitted changes",
            Facts {
                directory: worktree(&ours, &["f"], None),
                ..ready.clone()
            },
            vec!["error Dirty"],
        ),
        (
            "a merge of the user",
            Facts {
                directory: worktree(&ours, &[], Some("Merge branch 'x'")),
                ..ready.clone()
            },
            vec!["error Dirty"],
        ),
        (
            "a merge of ours",
            Facts {
                directory: worktree(&ours, &["f"], Some(merge)),
                wanted: vec![wanted(Some("lane-a"), true, false)],
                ..ready.clone()
            },
            vec!["abort", merge],
        ),
        (
            "something to merge, something contained, something gone",
            Facts {
                wanted: vec![
                    wanted(None, true, false),
                    wanted(Some("lane-b"), true, true),
                    wanted(Some("lane-z"), false, false),
                    wanted(Some("lane-a"), true, false),
                ],
                ..ready
            },
            vec![
                "Merge recorded planning-artifact commit into lane-c (FR-009)",
                merge,
            ],
        ),
    ];
    for (name, facts, expected) in cases {
        assert_eq!(short(&facts), expected, "{name}");
    }
}

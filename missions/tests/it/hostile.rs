//! Repositories made to lead us out of the tree, or to run something.

use crate::lanes::{
    LANES, allocated, branch, branches, integrate, integration, open, path, planned, request,
    whole, work, worked,
};
use crate::support::{names, write, write_script};
use kitty_missions::integration::{Retain, Strategy, prepare};
use kitty_missions::workspace::{WorkspaceError, allocate};

#[test]
fn names_of_lanes_json_that_look_like_options_or_lead_elsewhere_change_nothing() {
    let sandbox = planned("repo");
    let before = sandbox.state();
    for bad in [
        "--upload-pack=touch x",
        "-x",
        "../../out",
        "/tmp/out",
        "a/../../b",
        "",
    ] {
        let mut wanted = request("lane-a");
        wanted.lane_id = bad.to_owned();
        assert!(matches!(
            allocate(&sandbox.locate(), &wanted),
            Err(WorkspaceError::Name(_))
        ));
        let mut wanted = request("lane-a");
        wanted.mission_slug = bad.to_owned();
        assert!(allocate(&sandbox.locate(), &wanted).is_err(), "{bad}");
        let mut wanted = request("lane-a");
        wanted.mission_branch = bad.to_owned();
        assert!(allocate(&sandbox.locate(), &wanted).is_err(), "{bad}");
        let mut wanted = request("lane-a");
        wanted.target_branch = bad.to_owned();
        assert!(allocate(&sandbox.locate(), &wanted).is_err(), "{bad}");
        let mut wanted = request("lane-a");
        wanted.planning_commit = Some(bad.to_owned());
        assert!(allocate(&sandbox.locate(), &wanted).is_err(), "{bad}");
        let mut wanted = integration(Strategy::Merge);
        wanted.lanes.push(bad.to_owned());
        assert!(prepare(&sandbox.locate(), &wanted).is_err(), "{bad}");
    }
    // A mission branch that is somebody's branch could be deleted in the clean-up.
    let mut wanted = integration(Strategy::Merge);
    wanted.lanes.clear();
    wanted.mission_branch = "main".to_owned();
    assert!(prepare(&sandbox.locate(), &wanted).is_err());
    assert_eq!(sandbox.state(), before);
}

#[test]
fn a_worktrees_directory_that_leads_out_of_the_tree_is_not_followed() {
    let sandbox = worked();
    let outside = sandbox.base().join("outside");
    std::fs::rename(sandbox.root.join(".worktrees"), &outside).unwrap();
    std::os::unix::fs::symlink(&outside, sandbox.root.join(".worktrees")).unwrap();
    let before = names(&outside);
    let error = allocated(&sandbox, "lane-a").unwrap_err();
    assert!(matches!(error, WorkspaceError::Folder { .. }), "{error}");
    let done = integrate(&sandbox.locate(), &integration(Strategy::Merge)).unwrap();
    done.clean_up(Retain::default()).unwrap();
    assert_eq!(
        names(&outside),
        before,
        "nothing was removed through the link"
    );
    // The lane's own directory as a link.
    let sandbox = planned("repo");
    let outside = sandbox.base().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::create_dir(sandbox.root.join(".worktrees")).unwrap();
    std::os::unix::fs::symlink(&outside, path(&sandbox, "lane-a")).unwrap();
    let error = allocated(&sandbox, "lane-a").unwrap_err();
    assert!(matches!(error, WorkspaceError::NotOurs { .. }), "{error}");
    assert_eq!(names(&outside), [""; 0]);
}

/// A lane that replaces directories of the target by links out of the tree.
#[test]
fn links_that_a_lane_commits_do_not_make_the_merge_write_outside() {
    let sandbox = planned("repo");
    let outside = sandbox.base().join("outside");
    write(&outside.join("code.txt"), "untouched");
    allocated(&sandbox, "lane-a").unwrap();
    let lane = path(&sandbox, "lane-a");
    std::fs::remove_dir_all(lane.join("src")).unwrap();
    std::os::unix::fs::symlink(&outside, lane.join("src")).unwrap();
    work(&sandbox, "lane-a", "note", "1");
    // The target goes on changing the file below the directory that is a link in the lane.
    sandbox.write("other", "1");
    sandbox.commit_all("other");
    let mut request = integration(Strategy::Merge);
    request.lanes.truncate(1);
    let done = integrate(&sandbox.locate(), &request).unwrap();
    done.clean_up(Retain::default()).unwrap();
    let text = std::fs::read_to_string(outside.join("code.txt")).unwrap();
    assert_eq!(text, "untouched");
    assert_eq!(names(&outside), ["code.txt"]);
}

/// What commits bring configures nothing: attributes name drivers that only the user can define.
#[test]
fn what_a_commit_brings_runs_nothing() {
    let sandbox = planned("repo");
    allocated(&sandbox, "lane-a").unwrap();
    let lane = path(&sandbox, "lane-a");
    let mark = sandbox.base().join("ran");
    let script = format!("#!/bin/sh\ntouch '{}'\n", mark.display());
    for file in [
        "hooks/post-checkout",
        ".githooks/post-merge",
        ".git-hooks/pre-commit",
    ] {
        write_script(&lane.join(file), &script);
    }
    write(
        &lane.join(".gitconfig"),
        &format!(
            "[core]\n\tfsmonitor = touch '{}'\n\thooksPath = hooks\n",
            mark.display()
        ),
    );
    write(
        &lane.join(".gitattributes"),
        "* filter=evil merge=evil diff=evil\n",
    );
    write(
        &lane.join(".gitmodules"),
        &format!(
            "[submodule \"x\"]\n\tpath = x\n\turl = ext::touch {}\n\tupdate = !touch {}\n",
            mark.display(),
            mark.display()
        ),
    );
    work(&sandbox, "lane-a", "note", "1");
    sandbox.write("later", "1");
    sandbox.commit_all("later");
    let mut request = integration(Strategy::Merge);
    request.lanes.truncate(1);
    let done = integrate(&sandbox.locate(), &request).unwrap();
    done.clean_up(Retain::default()).unwrap();
    assert!(!mark.exists());
    assert_eq!(branches(&sandbox), ["main", "work"]);
}

/// The user's own clone may have hooks anywhere; they run, as they do with git itself.
#[test]
fn hooks_of_the_user_run_and_a_hook_path_of_the_clone_is_honoured() {
    let sandbox = planned("repo");
    let hooks = sandbox.base().join("my hooks");
    write_script(
        &hooks.join("post-checkout"),
        "#!/bin/sh\ntouch ../../../ran\n",
    );
    sandbox.git(&["config", "core.hooksPath", hooks.to_str().unwrap()]);
    allocated(&sandbox, "lane-a").unwrap();
    assert!(sandbox.base().join("ran").exists());
}

#[test]
fn an_external_transport_is_not_used_unless_the_user_allowed_it() {
    let sandbox = worked();
    let mark = sandbox.base().join("ran");
    let url = format!("ext::touch {}", mark.display());
    sandbox.git(&["config", "remote.origin.url", &url]);
    let done = integrate(&sandbox.locate(), &integration(Strategy::Merge)).unwrap();
    let error = done.push().unwrap_err();
    assert!(error.to_string().contains("not allowed"), "{error}");
    assert!(!mark.exists());
}

#[test]
fn submodules_are_neither_fetched_nor_lost() {
    let sandbox = planned("repo");
    let inner = sandbox.base().join("inner");
    std::fs::create_dir(&inner).unwrap();
    sandbox.git_in(&inner, &["init", "--quiet", "--initial-branch=main"]);
    write(&inner.join("file"), "1");
    sandbox.git_in(&inner, &["add", "--all"]);
    sandbox.git_in(&inner, &["commit", "--quiet", "-m", "inner"]);
    let allow = ["-c", "protocol.file.allow=always"];
    let url = inner.to_str().unwrap();
    sandbox.git(&[&allow[..], &["submodule", "--quiet", "add", url, "sub"]].concat());
    sandbox.commit_all("submodule");
    sandbox.git(&["config", "submodule.recurse", "true"]);
    for lane in LANES {
        allocated(&sandbox, lane).unwrap();
        work(&sandbox, lane, &format!("{lane} file"), "1");
    }
    let lane = path(&sandbox, "lane-a");
    assert_eq!(names(&lane.join("sub")), [""; 0], "nothing was fetched");
    sandbox.git_in(
        &lane,
        &[&allow[..], &["submodule", "--quiet", "update", "--init"]].concat(),
    );
    write(&lane.join("sub/file"), "edited inside");
    let error = allocated(&sandbox, "lane-a").unwrap_err();
    assert!(matches!(error, WorkspaceError::Dirty { .. }), "{error}");
    sandbox.git_in(&lane, &["-C", "sub", "checkout", "--quiet", "."]);
    let cleaned = whole(&sandbox.locate(), Strategy::Merge).unwrap();
    assert_eq!(cleaned.removed_worktrees.len(), 2, "{cleaned:?}");
    assert_eq!(
        cleaned.kept[0].reason,
        "it holds the repositories of submodules"
    );
    assert!(lane.join("sub/file").exists());
    assert!(branches(&sandbox).contains(&branch("lane-a")));
}

#[test]
fn huge_and_strangely_named_files_are_merged() {
    let sandbox = planned("a b/ü\u{301}");
    allocated(&sandbox, "lane-a").unwrap();
    let lane = path(&sandbox, "lane-a");
    for file in [
        "ein leer ü.txt",
        "-rf",
        "--help",
        ":(top)x",
        "new\nline",
        "*",
    ] {
        write(&lane.join(file), file);
    }
    let huge = std::fs::File::create(lane.join("huge")).unwrap();
    huge.set_len(64 << 20).unwrap();
    work(&sandbox, "lane-a", "note", "1");
    sandbox.write("later", "1");
    sandbox.commit_all("later");
    let mut request = integration(Strategy::Squash);
    request.lanes.truncate(1);
    let done = integrate(&sandbox.locate(), &request).unwrap();
    done.clean_up(Retain::default()).unwrap();
    assert_eq!(sandbox.read(":(top)x"), ":(top)x");
    assert_eq!(
        std::fs::metadata(sandbox.root.join("huge")).unwrap().len(),
        64 << 20
    );
    let checkout = open(&sandbox.program(), &sandbox.root);
    assert_eq!(checkout.changes().unwrap(), []);
}

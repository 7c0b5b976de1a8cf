//! Build ids are unique per checkout and per clone, and stay.

use crate::support::{Sandbox, search_path};
use kitty_missions::identity::{self, IdentityError, KnownIdentity, ProjectIdentity};
use kitty_missions::project::Project;
use kitty_runtime::fs::OsFilesystem;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

const NODE: &str = "abcdefabcdef";

fn locate(sandbox: &Sandbox, directory: &Path) -> Project {
    Project::locate(&sandbox.program(), directory, None).unwrap()
}

fn ensure_in(sandbox: &Sandbox, directory: &Path) -> Result<ProjectIdentity, IdentityError> {
    let project = locate(sandbox, directory);
    let config = project.config().unwrap();
    identity::ensure(&OsFilesystem, &project, &config, NODE.to_owned())
}

fn ensure(sandbox: &Sandbox, directory: &Path) -> ProjectIdentity {
    let identity = ensure_in(sandbox, directory).unwrap();
    assert_eq!(
        resolve(sandbox, directory).complete(),
        Some(identity.clone())
    );
    identity
}

fn resolve(sandbox: &Sandbox, directory: &Path) -> KnownIdentity {
    let project = locate(sandbox, directory);
    let config = project.config().unwrap();
    identity::resolve(&project, &config, NODE.to_owned()).unwrap()
}

fn copy_recursively(from: &Path, to: &Path) {
    let status = Command::new("cp")
        .arg("-r")
        .args([from, to])
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
fn worktrees_a_clone_and_a_copy_have_distinct_build_ids_and_one_project() {
    let sandbox = Sandbox::project();
    let first = ensure(&sandbox, &sandbox.root);
    let path = |name: &str| sandbox.base().join(name);
    for name in ["one", "two"] {
        sandbox.git(&[
            "worktree",
            "add",
            "--quiet",
            "-b",
            name,
            path(name).to_str().unwrap(),
        ]);
    }
    let source = sandbox.root.to_str().unwrap();
    sandbox.git(&["clone", "--quiet", source, path("clone").to_str().unwrap()]);
    copy_recursively(&sandbox.root, &path("copy"));
    let everywhere: Vec<ProjectIdentity> = ["one", "two", "clone", "copy"]
        .iter()
        .map(|name| ensure(&sandbox, &path(name)))
        .chain([first.clone()])
        .collect();
    let ids: BTreeSet<_> = everywhere
        .iter()
        .map(|identity| identity.build_id)
        .collect();
    assert_eq!(ids.len(), 5);
    // Worktrees share the project; the copy has the identity file of the original.
    assert_eq!(everywhere[0].project_uuid, first.project_uuid);
    assert_eq!(everywhere[1].project_uuid, first.project_uuid);
    assert_eq!(everywhere[3].project_uuid, first.project_uuid);
    // All stay what they are, in any order.
    for (name, identity) in ["one", "two", "clone", "copy"].iter().zip(&everywhere) {
        assert_eq!(ensure(&sandbox, &path(name)), *identity);
    }
    assert_eq!(ensure(&sandbox, &sandbox.root), first);
}

#[test]
fn a_checkout_keeps_its_build_id_across_branches_and_moves() {
    let sandbox = Sandbox::project();
    let first = ensure(&sandbox, &sandbox.root);
    sandbox.git(&["switch", "--quiet", "--create", "side"]);
    assert_eq!(ensure(&sandbox, &sandbox.root).build_id, first.build_id);
    sandbox.git(&["switch", "--quiet", "--orphan", "empty"]);
    sandbox.git(&["switch", "--quiet", "main"]);
    let moved = sandbox.base().join("moved");
    std::fs::rename(&sandbox.root, &moved).unwrap();
    assert_eq!(ensure(&sandbox, &moved).build_id, first.build_id);
    let again = sandbox.base().join("moved again");
    copy_recursively(&moved, &again);
    std::fs::remove_dir_all(&moved).unwrap();
    assert_eq!(ensure(&sandbox, &again).build_id, first.build_id);
}

#[test]
fn an_identity_never_dirties_the_tree_and_resolving_creates_nothing() {
    let sandbox = Sandbox::project();
    let known = resolve(&sandbox, &sandbox.root);
    assert_eq!((known.project_uuid, known.build_id), (None, None));
    assert!(!sandbox.root.join(".git/spec-kitty").exists());
    let before = sandbox.state();
    ensure(&sandbox, &sandbox.root);
    assert_eq!(sandbox.state(), before);
}

#[test]
fn the_configured_uuid_and_slugs_win() {
    let sandbox = Sandbox::project();
    sandbox.git(&["remote", "add", "origin", "git@host:acme/Some_Repo.git"]);
    let derived = ensure(&sandbox, &sandbox.root);
    assert_eq!(derived.project_slug, "some-repo");
    assert_eq!(derived.repo_slug.as_deref(), Some("acme/Some_Repo"));
    assert_eq!(derived.node_id, NODE);
    sandbox.write(
        ".kittify/config.yaml",
        "project:\n  uuid: A793EAAB-497f-4d96-8d7c-c1cce7e29558\n  slug: My Name\n  \
         repo_slug: other/place\n  build_id: c4ad781d-049b-5533-a459-64c1ad68b1ce\n",
    );
    let configured = ensure(&sandbox, &sandbox.root);
    assert_eq!(
        configured.project_uuid.to_string(),
        "a793eaab-497f-4d96-8d7c-c1cce7e29558"
    );
    assert_eq!(configured.project_slug, "My Name");
    assert_eq!(configured.repo_slug.as_deref(), Some("other/place"));
    assert_eq!(configured.build_id, derived.build_id);
    sandbox.write(".kittify/config.yaml", "project:\n  repo_slug: no-slash\n");
    let configured = ensure(&sandbox, &sandbox.root);
    assert_eq!(configured.repo_slug.as_deref(), Some("acme/Some_Repo"));
    assert_eq!(configured.project_uuid, derived.project_uuid);
}

#[test]
fn the_build_id_of_a_committed_configuration_is_never_adopted() {
    let sandbox = Sandbox::project();
    for legacy in [
        "c4ad781d-049b-5533-a459-64c1ad68b1ce",
        "3b9e0a0e-6a52-4c3e-9b8e-0d7b7c1f2a11",
    ] {
        sandbox.write(
            ".kittify/config.yaml",
            &format!("project:\n  build_id: {legacy}\n"),
        );
        assert_ne!(ensure(&sandbox, &sandbox.root).build_id.to_string(), legacy);
    }
}

#[test]
fn a_uuid_that_is_none_is_no_usable_identity_and_is_not_replaced() {
    let sandbox = Sandbox::project();
    let text = "project:\n  uuid: private-words\n";
    sandbox.write(".kittify/config.yaml", text);
    let error = ensure_in(&sandbox, &sandbox.root).unwrap_err();
    assert!(matches!(error, IdentityError::NotUsable { .. }), "{error}");
    assert!(
        error.to_string().starts_with("no usable identity"),
        "{error}"
    );
    assert!(!error.to_string().contains("private-words"));
    assert_eq!(sandbox.read(".kittify/config.yaml"), text);
    assert!(!sandbox.root.join(".git/spec-kitty").exists());
}

#[test]
fn outside_of_a_repository_there_is_no_complete_identity() {
    let sandbox = Sandbox::bare("My_Plain Directory");
    sandbox.write(".kittify/config.yaml", "");
    let known = resolve(&sandbox, &sandbox.root);
    assert_eq!(known.project_slug, "my-plain-directory");
    assert_eq!(known.complete(), None);
    let error = ensure_in(&sandbox, &sandbox.root).unwrap_err();
    assert!(
        matches!(error, IdentityError::NoRepository { .. }),
        "{error}"
    );
}

#[test]
fn a_damaged_identity_file_is_named_and_kept() {
    let sandbox = Sandbox::project();
    ensure(&sandbox, &sandbox.root);
    let file = ".git/spec-kitty/identity.json";
    for text in [
        "",
        "{}",
        "{\"project_uuid\": \"x\"}",
        "{\"project_uuid\": 3}",
    ] {
        sandbox.write(file, text);
        let error = ensure_in(&sandbox, &sandbox.root).unwrap_err();
        assert!(matches!(error, IdentityError::Damaged { .. }), "{error}");
        assert_eq!(sandbox.read(file), text);
    }
}

#[test]
fn the_child_ensures_the_identity_of_its_working_directory() {
    let directory = std::env::current_dir().unwrap();
    if !directory.join("ensure-an-identity-here").exists() {
        return;
    }
    let git = kitty_missions::git::GitProgram::default();
    let project = Project::locate(&git, &directory, None).unwrap();
    let config = project.config().unwrap();
    let identity = identity::ensure(&OsFilesystem, &project, &config, NODE.to_owned()).unwrap();
    println!("{}|{}", identity.project_uuid, identity.build_id);
}

#[test]
fn thirty_two_processes_at_once_agree_on_one_identity() {
    let sandbox = Sandbox::project();
    sandbox.write("ensure-an-identity-here", "");
    let children: Vec<_> = (0..32)
        .map(|_| {
            Command::new(std::env::current_exe().unwrap())
                .args([
                    "--exact",
                    "--nocapture",
                    "identity::the_child_ensures_the_identity_of_its_working_directory",
                ])
                .current_dir(&sandbox.root)
                .env_clear()
                .env("PATH", search_path())
                .envs(sandbox.environment())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    let mut identities = BTreeSet::new();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        let line = text.lines().find(|line| line.contains('|')).unwrap();
        identities.insert(line.rsplit(' ').next().unwrap().to_owned());
    }
    let identity = ensure(&sandbox, &sandbox.root);
    let expected = format!("{}|{}", identity.project_uuid, identity.build_id);
    assert_eq!(identities, BTreeSet::from([expected]));
}

fn persist(sandbox: &Sandbox, directory: &Path) -> (ProjectIdentity, bool) {
    let identity = ensure(sandbox, directory);
    let project = locate(sandbox, directory);
    let changed = identity::persist(&project, &identity).unwrap();
    assert!(!identity::persist(&project, &identity).unwrap(), "twice");
    (identity, changed)
}

#[test]
fn fr_005_project_build_and_node_are_persisted_and_every_other_line_stays() {
    let sandbox = Sandbox::project();
    let before = "# who we are\nproject:  # ours\n  slug: My Name  # by hand\n\nvcs:\n  type: git\n\
                  agents:\n  available: [codex]\n";
    sandbox.write(".kittify/config.yaml", before);
    let (identity, changed) = persist(&sandbox, &sandbox.root);
    assert!(changed);
    let after = sandbox.read(".kittify/config.yaml");
    for line in before.lines() {
        assert!(after.contains(line), "{line}\n{after}");
    }
    let config = locate(&sandbox, &sandbox.root).config().unwrap().project;
    assert_eq!(config.slug.as_deref(), Some("My Name"));
    assert_eq!(config.uuid, Some(identity.project_uuid.to_string()));
    assert_eq!(config.build_id, Some(identity.build_id.to_string()));
    assert_eq!(config.node_id.as_deref(), Some(NODE));
    assert!(config.build_checkout.is_some());
}

#[test]
fn fr_005_todays_single_section_is_read_and_a_style_of_its_own_is_refused_and_kept() {
    let sandbox = Sandbox::project();
    let identity = ensure(&sandbox, &sandbox.root);
    let project = locate(&sandbox, &sandbox.root);
    for text in [
        "project: {uuid: 11111111-2222-4333-8444-555555555555}\n",
        "build: release\n",
        "node: 20\n",
    ] {
        sandbox.write(".kittify/config.yaml", text);
        let refused = identity::persist(&project, &identity).unwrap_err();
        assert!(refused.to_string().contains("edit it by hand"), "{refused}");
        assert_eq!(sandbox.read(".kittify/config.yaml"), text);
    }
}

#[test]
fn fr_006_a_persisted_id_outlives_its_git_directory_and_is_nobodys_elsewhere() {
    let sandbox = Sandbox::project();
    let (first, _) = persist(&sandbox, &sandbox.root);
    sandbox.commit_all("the identity is committed");
    let path = |name: &str| sandbox.base().join(name);
    sandbox.git(&["clone", "--quiet", ".", path("clone").to_str().unwrap()]);
    sandbox.git(&[
        "worktree",
        "add",
        "--quiet",
        "-b",
        "w",
        path("tree").to_str().unwrap(),
    ]);
    std::fs::remove_dir_all(sandbox.root.join(".git/spec-kitty")).unwrap();
    copy_recursively(&sandbox.root, &path("copy"));
    assert_eq!(ensure(&sandbox, &sandbox.root).build_id, first.build_id);
    let mut ids = BTreeSet::from([first.build_id]);
    for name in ["clone", "tree", "copy"] {
        let (identity, changed) = persist(&sandbox, &path(name));
        assert!(changed, "{name} writes its own");
        assert!(
            ids.insert(identity.build_id),
            "{name} has the id of another"
        );
        assert_eq!(identity.project_uuid, first.project_uuid, "{name}");
        let own = std::fs::read_to_string(path(name).join(".kittify/config.yaml")).unwrap();
        assert!(own.contains(&identity.build_id.to_string()), "{own}");
    }
    // A worktree has written its own copy and not the file of the primary checkout.
    let primary = sandbox.read(".kittify/config.yaml");
    assert!(primary.contains(&first.build_id.to_string()), "{primary}");
    assert_eq!(ensure(&sandbox, &sandbox.root).build_id, first.build_id);
}

#[test]
fn nfr_005_a_million_generated_ids_are_distinct_and_random() {
    let ids: std::collections::HashSet<_> = (0..1_000_000)
        .map(|_| identity::build::BuildId::random())
        .collect();
    assert_eq!(ids.len(), 1_000_000);
    for id in ids.iter().take(1000) {
        let text = id.to_string();
        assert_eq!(
            (&text[14..15], text.len()),
            ("4", 36),
            "122 random bits: {text}"
        );
    }
}

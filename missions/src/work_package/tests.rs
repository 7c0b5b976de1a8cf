//! Reading, editing and finding work package files.

use super::*;
use proptest::prelude::*;

const FILE: &str = "---\n# the plan\nwork_package_id: WP01\ntitle: 'A: title'\ndependencies:\n- WP00\nowned_files: [src/**]  # globs\nsubtasks:\n  - T001\n\n# mine\nforeign: {a: 1}\nexecution_mode: code_change\n---\n\n# Body\n---\nmore\n";

fn front(text: &str) -> Result<Frontmatter, WorkPackageProblem> {
    Frontmatter::read("WP01.md", &WorkPackageFile::parse("WP01.md", text)?)
}

fn edit(text: &str, fields: &[(&str, Option<FieldValue>)]) -> Result<String, WorkPackageProblem> {
    WorkPackageFile::parse("WP01.md", text)?.edit("WP01.md", fields)
}

fn list_of(items: &[&str]) -> Option<FieldValue> {
    Some(FieldValue::List(
        items.iter().map(|item| (*item).to_owned()).collect(),
    ))
}

#[test]
fn a_file_is_frontmatter_and_body() {
    let file = WorkPackageFile::parse("WP01.md", FILE).unwrap();
    assert_eq!(file.body(), "\n# Body\n---\nmore\n");
    let front = front(FILE).unwrap();
    assert_eq!(front.work_package_id.as_deref(), Some("WP01"));
    assert_eq!(front.title.as_deref(), Some("A: title"));
    assert_eq!(front.dependencies, ["WP00"]);
    assert_eq!(front.owned_files, ["src/**"]);
    assert_eq!(front.kind, Some(WorkKind::CodeChange));
    let windows = FILE.replace('\n', "\r\n");
    assert_eq!(self::front(&windows).unwrap(), front);
    assert_eq!(self::front(&format!("\u{feff}{FILE}")).unwrap(), front);
}

#[test]
fn lists_may_be_texts_and_missing_fields_are_empty() {
    let read =
        front("---\ndependencies: WP02, WP03\nrequirement_refs: '[]'\nsubtasks:\n---\n").unwrap();
    assert_eq!(read.dependencies, ["WP02", "WP03"]);
    assert!(read.requirement_refs.is_empty() && read.subtasks.is_empty());
    assert_eq!(front("---\n---\n").unwrap(), Frontmatter::default());
}

#[test]
fn a_problem_names_the_file_and_the_place() {
    for (text, message) in [
        (
            "# Body\n",
            "WP01.md has no frontmatter: begin it with a line `---`",
        ),
        (
            "---\na: 1\n",
            "WP01.md: the frontmatter does not end: add a line `---` below it",
        ),
        (
            "---\n- x\n---\n",
            "WP01.md: the frontmatter is not a valid YAML mapping: correct it by hand",
        ),
        (
            "---\na: 1\na: 2\n---\n",
            "WP01.md: the frontmatter is not a valid YAML mapping",
        ),
        (
            "---\ndependencies: {a: 1}\n---\n",
            "WP01.md: `dependencies` must be a list of names: correct it by hand",
        ),
        (
            "---\nexecution_mode: x\n---\n",
            "WP01.md: `execution_mode` must be code_change or planning_artifact: correct it by hand",
        ),
    ] {
        let problem = front(text).unwrap_err().to_string();
        assert!(problem.starts_with(message), "{problem}");
    }
}

#[test]
fn an_edit_touches_its_own_lines_only() {
    let edited = edit(
        FILE,
        &[
            ("dependencies", list_of(&["WP02", "WP03"])),
            ("subtasks", list_of(&[])),
            ("title", Some(FieldValue::Text("plain".to_owned()))),
            (
                "execution_mode",
                Some(FieldValue::Text("code_change".to_owned())),
            ),
            (
                "merge_target_branch",
                Some(FieldValue::Text("no".to_owned())),
            ),
            ("missing", None),
        ],
    )
    .unwrap();
    let expected = FILE
        .replace("- WP00\n", "- WP02\n- WP03\n")
        .replace("subtasks:\n  - T001\n", "subtasks: []\n")
        .replace("'A: title'", "plain")
        .replace(
            "code_change\n",
            "code_change\nmerge_target_branch: \"no\"\n",
        );
    assert_eq!(edited, expected);
    assert_eq!(
        edit(FILE, &[("foreign", None)]).unwrap(),
        FILE.replace("foreign: {a: 1}\n", "")
    );
    let same = edit(FILE, &[("owned_files", list_of(&["src/**"]))]).unwrap();
    assert_eq!(same, FILE, "what already says so keeps its style");
}

#[test]
fn a_style_that_lines_cannot_change_is_refused() {
    for text in [
        "---\ntitle: \"a\nb\"\nx: 1\n---\n",
        "---\n{title: a}\n---\n",
        "---\ntitle: &t a\nx: *t\n---\n",
    ] {
        let problem = edit(text, &[("title", Some(FieldValue::Text("new".to_owned())))]);
        let message = problem.unwrap_err().to_string();
        assert!(
            message.contains("`title` cannot be changed"),
            "{text:?}: {message}"
        );
    }
}

#[test]
fn the_exact_name_wins_and_no_id_leads_out_of_the_directory() {
    let mission = tempfile::tempdir().unwrap();
    let tasks = mission.path().join(DIRECTORY);
    assert!(list(mission.path()).unwrap().is_empty());
    std::fs::create_dir(&tasks).unwrap();
    for name in [
        "WP01-b.md",
        "WP01-a.md",
        "WP02.md",
        "WP02-a.md",
        "WP010.md",
        "README.md",
        "WP01x.md",
    ] {
        crate::tests_support::write(&tasks.join(name), FILE);
    }
    let found = |id: &str| {
        let path = find(mission.path(), id).unwrap();
        path.map(|path| {
            path.strip_prefix(&tasks)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        })
    };
    assert_eq!(found("WP01").as_deref(), Some("WP01-a.md"));
    assert_eq!(found("WP02").as_deref(), Some("WP02.md"));
    for id in ["WP03", "", "..", "../tasks/WP02", "README/x"] {
        assert_eq!(found(id), None, "{id}");
    }
    let listed = list(mission.path()).unwrap();
    let ids: Vec<&str> = listed.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids, ["WP01", "WP01", "WP010", "WP02", "WP02"]);
    assert_eq!(read(&listed[0].1).unwrap(), FILE);
}

proptest! {
    #[test]
    fn whatever_is_set_is_read_and_the_rest_stays(
        text in "\\PC{0,12}",
        items in prop::collection::vec("[ -~]{0,10}", 0..4),
    ) {
        let fields = [
            ("title", Some(FieldValue::Text(text.clone()))),
            ("dependencies", Some(FieldValue::List(items.clone()))),
            ("new", Some(FieldValue::Text(text.clone()))),
        ];
        let edited = edit(FILE, &fields).unwrap();
        let file = WorkPackageFile::parse("WP01.md", &edited).unwrap();
        prop_assert_eq!(file.body(), WorkPackageFile::parse("WP01.md", FILE).unwrap().body());
        let read = frontmatter::mapping("WP01.md", file.yaml()).unwrap();
        prop_assert_eq!(read["title"].as_str(), Some(text.as_str()));
        prop_assert_eq!(read["new"].as_str(), Some(text.as_str()));
        prop_assert_eq!(read["dependencies"].as_sequence().unwrap().len(), items.len());
        let is_kept = file.yaml().contains("# mine\nforeign: {a: 1}\n");
        prop_assert!(is_kept);
        prop_assert_eq!(edit(&edited, &fields).unwrap(), edited);
    }
}

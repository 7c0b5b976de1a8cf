//! Editing: what changes, and that nothing else does.

use super::*;
use proptest::prelude::*;

fn binding() -> TrackerBinding {
    TrackerBinding {
        provider: Some("linear".to_owned()),
        binding_ref: Some("b-1".to_owned()),
        display_label: Some("Engineering (ENG)".to_owned()),
        ..TrackerBinding::default()
    }
}

fn edited(text: &str, binding: &TrackerBinding) -> String {
    changed(Path::new("config.yaml"), text, binding).unwrap()
}

fn read(text: &str) -> TrackerBinding {
    TrackerBinding::parse(Path::new("config.yaml"), text).unwrap()
}

const STORED: &str = "tracker:\n  provider: linear\n  binding_ref: b-1\n  \
                      display_label: \"Engineering (ENG)\"\n";

#[test]
fn a_binding_is_appended_and_every_other_byte_stays() {
    for text in [
        "",
        "# mine\nproject:\n  slug: demo  # why\n\n# the end\n",
        "project: {slug: demo}\n",
    ] {
        assert_eq!(edited(text, &binding()), format!("{text}{STORED}"));
    }
    let without_newline = edited("a: 1", &binding());
    assert_eq!(without_newline, format!("a: 1\n{STORED}"));
    assert_eq!(read(&without_newline), binding());
}

#[test]
fn a_binding_is_replaced_in_place_with_comments_and_foreign_fields_kept() {
    let text = "# top\nvcs: git\ntracker:\n  # ours\n  provider: jira  # for now\n  \
                project_slug: old\n  workspace: w\n  ownership:\n    mode: split\n  egress: permitted # yes\n\
                \n# about agents\nagents: [a]\n";
    let expected = "# top\nvcs: git\ntracker:\n  # ours\n  provider: linear  # for now\n  \
                    binding_ref: b-1\n  display_label: \"Engineering (ENG)\"\n  workspace: w\n  ownership:\n    mode: split\n  egress: permitted # yes\n\
                    \n# about agents\nagents: [a]\n";
    assert_eq!(edited(text, &binding()), expected);
    assert_eq!(edited(expected, &binding()), expected, "twice is once");
}

#[test]
fn removing_leaves_what_is_not_ours_and_no_empty_section() {
    let nothing = TrackerBinding::default();
    assert_eq!(
        edited(&format!("a: 1\n{STORED}b: 2\n"), &nothing),
        "a: 1\nb: 2\n"
    );
    assert_eq!(edited(STORED, &nothing), "");
    let kept = "tracker:\n  provider: linear\n  # consent\n  egress: refused\n  provider_context:\n    team: x\n";
    assert_eq!(
        edited(kept, &nothing),
        "tracker:\n  # consent\n  egress: refused\n"
    );
    assert_eq!(edited("a: 1\n", &nothing), "a: 1\n");
}

#[test]
fn the_provider_context_is_a_nested_mapping() {
    let mut binding = binding();
    binding.provider_context = BTreeMap::from([
        ("team".to_owned(), "ENG".to_owned()),
        ("workspace name".to_owned(), "yes".to_owned()),
    ]);
    let text = edited("a: 1\n", &binding);
    assert!(
        text.ends_with("  provider_context:\n    team: ENG\n    \"workspace name\": \"yes\"\n"),
        "{text}"
    );
    assert_eq!(read(&text), binding);
    assert_eq!(edited(&text, &self::binding()), format!("a: 1\n{STORED}"));
}

#[test]
fn windows_line_ends_stay() {
    let text = edited("a: 1\r\n", &binding());
    assert_eq!(text, format!("a: 1\r\n{}", STORED.replace('\n', "\r\n")));
}

#[test]
fn what_cannot_be_edited_safely_is_refused_and_named() {
    for text in [
        "tracker: {provider: jira}\n",
        "{a: 1}\n",
        "tracker: nothing\n",
        "---\na: 1\n...\n",
        "a: &x {b: 1}\ntracker: *x\n",
    ] {
        let error = changed(Path::new("config.yaml"), text, &binding()).unwrap_err();
        assert!(error.to_string().contains("config.yaml"), "{text}: {error}");
    }
}

#[test]
fn storing_writes_through_a_link_and_not_at_all_when_nothing_changes() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.yaml");
    store(&file, &binding()).unwrap();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), STORED);
    assert_eq!(TrackerBinding::read(&file).unwrap(), binding());
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let inode = || file.metadata().unwrap().ino();
        let before = inode();
        store(&file, &binding()).unwrap();
        assert_eq!(inode(), before, "an unchanged file is not written");
        let link = directory.path().join("link.yaml");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        store(&link, &TrackerBinding::default()).unwrap();
        assert!(link.symlink_metadata().unwrap().is_symlink());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "");
    }
}

proptest! {
    #[test]
    fn any_texts_come_back_and_removing_restores_the_file(
        label in "\\PC{0,12}", reference in "[ -~]{1,12}", prefix in "(# c\n|a: 1\n|\n){0,3}",
    ) {
        let bound = TrackerBinding {
            display_label: Some(label.clone()).filter(|label| !label.trim().is_empty()),
            binding_ref: Some(reference.clone()),
            ..binding()
        };
        prop_assume!(prefix.matches("a: 1").count() < 2 && !reference.trim().is_empty());
        let text = edited(&prefix, &bound);
        let trimmed = |text: &Option<String>| text.as_deref().map(str::trim).map(str::to_owned);
        prop_assert_eq!(trimmed(&read(&text).binding_ref), trimmed(&bound.binding_ref));
        prop_assert_eq!(trimmed(&read(&text).display_label), trimmed(&bound.display_label));
        prop_assert_eq!(edited(&text, &TrackerBinding::default()), prefix);
    }
}

//! What Rust code may not contain, and where.

use super::lexer::Kind;
use super::source::{Finding, RustFile, rust_files};
use super::{hold, proves};
use std::collections::BTreeSet;

/// Applies a rule to every file.
pub(super) fn everywhere(rule: impl Fn(&RustFile) -> Vec<Finding>) -> Vec<Finding> {
    rust_files().iter().flat_map(rule).collect()
}

/// Paths that bring a clock, randomness, I/O or an executor into a core.
const IMPURE: &[&str] = &[
    "actix",
    "actix_web",
    "tokio",
    "futures_util",
    "reqwest",
    "sled",
    "getrandom",
    "rand",
    "kitty_runtime::fs",
    "kitty_runtime::time",
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
    "std::env",
    "std::time::Instant",
    "std::time::SystemTime",
    "Instant",
    "SystemTime",
    "Timestamp::now",
    "jiff::Timestamp::now",
    "Zoned::now",
    "Uuid::new_v4",
    "Ulid::new",
];

fn pure_core(file: &RustFile) -> Vec<Finding> {
    let path = &file.file.path;
    if !(path.ends_with("/core.rs") || path.contains("/core/")) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (segments, at) in file.paths() {
        let written = segments.join("::");
        let impure = IMPURE
            .iter()
            .any(|it| written == *it || written.starts_with(&format!("{it}::")));
        let is_path = segments.len() > 1 || at > 0 && file.code[at - 1].is("use");
        if impure && is_path && file.is_program(at) {
            let advice = format!("a core is pure: take what `{written}` gives as an input");
            findings.push(file.finding(&file.code[at], advice));
        }
    }
    findings
}

#[test]
fn cores_have_no_clock_randomness_input_output_or_executor() {
    let cores = rust_files()
        .iter()
        .filter(|file| file.file.path.ends_with("/core.rs"));
    assert!(cores.count() >= 7, "where are the cores?");
    hold(&everywhere(pure_core));
}

#[test]
fn an_impure_core_is_found() {
    let bad = "use std::{fs, collections::X};\nfn f() { let now = jiff::Timestamp::now(); }\n\
               use tokio::time::sleep;\nlet tokio = 1;\n#[cfg(test)]\nmod tests { use std::fs; }\n";
    let places = [
        "a/src/x/core.rs:1",
        "a/src/x/core.rs:2",
        "a/src/x/core.rs:3",
    ];
    proves(&pure_core(&RustFile::new("a/src/x/core.rs", bad)), &places);
    proves(&pure_core(&RustFile::new("a/src/x/shell.rs", bad)), &[]);
}

const PRINTER: &str = "cli/src/printer.rs";

fn one_writer(file: &RustFile) -> Vec<Finding> {
    if file.file.path == PRINTER {
        return Vec::new();
    }
    let advice = "stdout is data: go through the printer";
    let mut findings = Vec::new();
    for (at, token) in file.program() {
        let prints =
            ["print", "println", "eprint", "eprintln", "dbg"].contains(&token.text.as_str());
        if prints && token.kind == Kind::Word && file.reads(at + 1, &["!"]) {
            findings.push(file.finding(token, advice));
        }
    }
    for (segments, at) in file.paths() {
        let streams = [["io", "stdout"], ["io", "stderr"]];
        let ends = streams.iter().any(|stream| {
            segments
                .iter()
                .map(String::as_str)
                .collect::<Vec<_>>()
                .ends_with(stream)
        });
        if ends && file.is_program(at) {
            findings.push(file.finding(&file.code[at], advice));
        }
    }
    findings
}

#[test]
fn only_the_printer_writes_to_stdout_and_stderr() {
    hold(&everywhere(one_writer));
}

#[test]
fn a_second_writer_is_found() {
    let bad = "fn f() { println!(\"x\"); }\n// println!\nlet s = \"print!\";\nuse std::io::stdout;";
    let places = ["cli/src/a.rs:1", "cli/src/a.rs:4"];
    proves(&one_writer(&RustFile::new("cli/src/a.rs", bad)), &places);
    for exempt in [
        PRINTER,
        "contract/build.rs",
        "tests/it/a.rs",
        "contract/examples/a.rs",
    ] {
        proves(&one_writer(&RustFile::new(exempt, bad)), &[]);
    }
}

fn one_reader_of_the_environment(file: &RustFile) -> Vec<Finding> {
    if file.file.path == "config/src/environment.rs" {
        return Vec::new();
    }
    const FUNCTIONS: &[&str] = &[
        "var",
        "var_os",
        "vars",
        "vars_os",
        "set_var",
        "remove_var",
        "home_dir",
    ];
    let mut findings = Vec::new();
    for (segments, at) in file.paths() {
        let reads = segments
            .windows(2)
            .any(|pair| pair[0] == "env" && FUNCTIONS.contains(&pair[1].as_str()));
        if reads && file.is_program(at) {
            let advice = "declare the variable in config/src/env.rs and pass an `Environment`";
            findings.push(file.finding(&file.code[at], advice));
        }
    }
    findings
}

#[test]
fn only_the_environment_snapshot_reads_variables() {
    hold(&everywhere(one_reader_of_the_environment));
}

#[test]
fn a_second_reader_of_the_environment_is_found() {
    let bad =
        "use std::env;\nlet a = env::var(\"A\");\nuse std::env::{args, var_os};\nenv::args();";
    proves(
        &one_reader_of_the_environment(&RustFile::new("cli/src/a.rs", bad)),
        &["cli/src/a.rs:2", "cli/src/a.rs:3"],
    );
}

/// The names in the file map that mean something by themselves: with a dot, or of more than a word.
fn names_below_the_state_root(map: &RustFile) -> BTreeSet<String> {
    map.program()
        .filter(|(_, token)| token.kind == Kind::Text)
        .map(|(_, token)| token.text.clone())
        .collect()
}

/// Files elsewhere that happen to have a name from the map: path, name, and what it is there.
const NAMESAKES: &[(&str, &str, &str)] = &[(
    "missions/",
    "status.json",
    "the materialised status of a mission, in git",
)];

fn no_other_map(file: &RustFile, names: &BTreeSet<String>) -> Vec<Finding> {
    if file.file.is_below(&["config/"]) {
        return Vec::new();
    }
    let joins = [
        "join",
        "push",
        "with_file_name",
        "new",
        "from",
        "child",
        "concat",
    ];
    let mut findings = Vec::new();
    for (at, token) in file.program() {
        let named = token.kind == Kind::Text && names.contains(&token.text);
        let joined = at >= 2
            && file.code[at - 1].is("(")
            && joins.contains(&file.code[at - 2].text.as_str());
        let is_file_name = token.text.contains('.');
        let namesake = NAMESAKES
            .iter()
            .any(|(folder, name, _)| file.file.is_below(&[folder]) && *name == token.text);
        if named && (joined || is_file_name) && !namesake {
            let advice = format!(
                "take the path of `{}` from kitty_config::FileMap",
                token.text
            );
            findings.push(file.finding(token, advice));
        }
    }
    findings
}

#[test]
fn only_the_file_map_names_files_below_the_state_root() {
    let map = rust_files()
        .iter()
        .find(|file| file.file.path == "config/src/paths.rs")
        .unwrap();
    let names = names_below_the_state_root(map);
    assert!(
        names.contains("session.json") && names.contains("owner.lock"),
        "{names:?}"
    );
    hold(&everywhere(|file| no_other_map(file, &names)));
}

#[test]
fn a_second_map_of_files_is_found() {
    let map = RustFile::new(
        "config/src/paths.rs",
        "self.file(\"config.toml\"); x.join(\"auth\");",
    );
    let names = names_below_the_state_root(&map);
    let bad = "root.join(\"auth\");\nlet word = \"auth\";\nconst F: &str = \"config.toml\";";
    let places = ["cli/src/a.rs:1", "cli/src/a.rs:3"];
    proves(
        &no_other_map(&RustFile::new("cli/src/a.rs", bad), &names),
        &places,
    );
    proves(
        &no_other_map(&RustFile::new("config/src/a.rs", bad), &names),
        &[],
    );
}

fn no_unsafe(file: &RustFile) -> Vec<Finding> {
    let found = file.all().filter(|(_, token)| token.is("unsafe"));
    found
        .map(|(_, token)| file.finding(token, "there is a safe way, or a crate that has one"))
        .collect()
}

#[test]
fn nothing_is_unsafe() {
    hold(&everywhere(no_unsafe));
    proves(
        &no_unsafe(&RustFile::new("a.rs", "\nunsafe { x }")),
        &["a.rs:2"],
    );
}

fn no_do_send(file: &RustFile) -> Vec<Finding> {
    let found = file.all().filter(|(_, token)| token.is("do_send"));
    let advice = "`do_send` drops messages silently; use `send` or `try_send`";
    found
        .map(|(_, token)| file.finding(token, advice))
        .collect()
}

#[test]
fn messages_are_never_sent_without_an_answer() {
    hold(&everywhere(no_do_send));
    proves(
        &no_do_send(&RustFile::new("a.rs", "a.do_send(b)")),
        &["a.rs:1"],
    );
}

fn no_guessing_serde(file: &RustFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (start, _) in file
        .all()
        .filter(|(at, _)| file.reads(*at, &["serde", "("]))
    {
        let mut depth = 0_usize;
        for token in &file.code[start + 1..] {
            depth += usize::from(token.is("("));
            depth -= usize::from(token.is(")"));
            if token.is("untagged") || token.is("flatten") {
                let advice = format!("`{}` guesses; name the variant or the field", token.text);
                findings.push(file.finding(token, advice));
            }
            if depth == 0 {
                break;
            }
        }
    }
    findings
}

#[test]
fn serde_never_guesses() {
    hold(&everywhere(no_guessing_serde));
    let bad = "#[serde(rename = \"untagged\")]\na.flatten();\n#[serde(default, flatten)]\n\
               #[cfg_attr(x, serde(untagged))]";
    proves(
        &no_guessing_serde(&RustFile::new("a.rs", bad)),
        &["a.rs:3", "a.rs:4"],
    );
}

fn no_ignored_test(file: &RustFile) -> Vec<Finding> {
    let found = file
        .all()
        .filter(|(at, _)| file.reads(*at, &["#", "[", "ignore", "]"]));
    let advice = "write `#[ignore = \"reason\"]` and name the job of nightly.yml that runs it";
    found
        .map(|(_, token)| file.finding(token, advice))
        .collect()
}

/// Tests that only the nightly job runs.
pub fn ignored_tests() -> usize {
    let ignores = |file: &RustFile| {
        let found = file
            .all()
            .filter(|(at, _)| file.reads(*at, &["#", "[", "ignore"]));
        found.count()
    };
    rust_files().iter().map(ignores).sum()
}

#[test]
fn no_test_is_ignored_without_a_reason() {
    hold(&everywhere(no_ignored_test));
    let bad = "#[ignore = \"slow\"]\n#[ignore]\nfn a() {}";
    proves(&no_ignored_test(&RustFile::new("a.rs", bad)), &["a.rs:2"]);
}

fn no_empty_type_name(file: &RustFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, token) in file.program() {
        let declares = ["struct", "enum", "trait", "type", "mod"]
            .iter()
            .any(|word| token.is(word));
        let Some(name) = file.code.get(at + 1).filter(|_| declares) else {
            continue;
        };
        if super::text_rules::says_nothing(&name.text) {
            findings.push(file.finding(name, format!("`{}`: say what it is", name.text)));
        }
    }
    findings
}

#[test]
fn types_and_modules_say_what_they_are() {
    hold(&everywhere(no_empty_type_name));
    let bad = "struct SyncManager;\nmod url_utils;\nstruct Commonplace;\nenum Helper {}";
    let places = ["a/src/a.rs:1", "a/src/a.rs:2", "a/src/a.rs:4"];
    proves(
        &no_empty_type_name(&RustFile::new("a/src/a.rs", bad)),
        &places,
    );
}

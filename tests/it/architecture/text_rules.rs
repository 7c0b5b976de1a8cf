//! Rules about files as such: names, lengths, and what no committed file may contain.

use super::source::{Finding, TextFile, files};
use super::{hold, proves};

const EMPTY_WORDS: &[&str] = &[
    "util", "utils", "helper", "helpers", "common", "manager", "misc",
];

/// Tells whether one of the words of a name says nothing.
pub fn says_nothing(name: &str) -> bool {
    let mut words = vec![String::new()];
    for character in name.chars() {
        let begins = character.is_uppercase() || !character.is_alphanumeric();
        if begins {
            words.push(String::new());
        }
        if character.is_alphanumeric() {
            words
                .last_mut()
                .expect("there is a word")
                .extend(character.to_lowercase());
        }
    }
    words
        .iter()
        .any(|word| EMPTY_WORDS.contains(&word.as_str()))
}

fn name(file: &TextFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    if file.path.ends_with("/mod.rs") {
        findings.push(file.finding(1, "name it after the module: `foo.rs` beside `foo/`"));
    }
    let ours = file.path.split('/').filter(|part| !part.starts_with('.'));
    for part in ours {
        let stem = part.split('.').next().unwrap_or(part);
        if says_nothing(stem) {
            findings.push(file.finding(1, format!("`{part}`: say what is in it")));
        }
    }
    findings
}

#[test]
fn file_names_say_what_is_in_them() {
    hold(&files().iter().flat_map(name).collect::<Vec<_>>());
}

#[test]
fn an_empty_file_name_is_found() {
    for bad in [
        "a/src/foo/mod.rs",
        "a/src/utils.rs",
        "a/src/url_helpers.rs",
        "common/src/a.rs",
    ] {
        proves(&name(&TextFile::new(bad, "")), &[&format!("{bad}:1")]);
    }
    proves(&name(&TextFile::new("a/src/commonplace.rs", "")), &[]);
}

/// About how long a file should be.
const USUAL: usize = 250;
/// From here on a file says at its top why it is long.
const LONG: usize = 500;
/// No file is longer.
const LIMIT: usize = 800;
/// How a file says why it is long, in one of its first lines.
const REASON: &str = "Long because";

fn lines(file: &TextFile) -> usize {
    let counts = ["rs", "py", "sh"].contains(&file.extension()) || file.path == ".ci/run";
    if counts { file.text.lines().count() } else { 0 }
}

fn length(file: &TextFile) -> Vec<Finding> {
    let length = lines(file);
    let reason = file.text.lines().take(20).any(|line| line.contains(REASON));
    if length <= LONG || (length <= LIMIT && reason) {
        return Vec::new();
    }
    let advice = if length <= LIMIT {
        format!("{length} lines: split it, or say at the top `{REASON} …`")
    } else {
        format!("{length} lines: split it; {LIMIT} is the limit")
    };
    vec![file.finding(length, advice)]
}

#[test]
fn files_are_short_or_say_why_not() {
    let long = files().iter().filter(|file| lines(file) > USUAL);
    for file in long {
        println!("{:>5} {}", lines(file), file.path);
    }
    hold(&files().iter().flat_map(length).collect::<Vec<_>>());
}

#[test]
fn a_long_file_without_a_reason_is_found() {
    let file = |count: usize, top: &str| {
        TextFile::new("a.rs", &format!("{top}\n{}", "\n".repeat(count - 1)))
    };
    proves(&length(&file(LONG, "")), &[]);
    proves(&length(&file(LONG + 1, "")), &["a.rs:501"]);
    proves(
        &length(&file(LIMIT, "//! Long because it is a table.")),
        &[],
    );
    proves(
        &length(&file(LIMIT + 1, "//! Long because it is a table.")),
        &["a.rs:801"],
    );
}

/// Texts that would tie the repository to one machine or registry. Each is put together here, so
/// that this file does not contain it.
const MACHINES: &[&str] = &[
    concat!("/ro", "ot/"),
    concat!("/wo", "rk/"),
    concat!("/opt/", "peers"),
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
    concat!("crates", ".io"),
    concat!("py", "pi.org"),
    concat!("python", "hosted"),
    concat!("npm", "js"),
    concat!("deb.", "debian.org"),
    concat!("extra-", "index-url"),
];

/// Home directories in examples and tests that nobody has.
const EXAMPLES: &[&str] = &[concat!("/ho", "me/user"), concat!("C:/Us", "ers/u/")];

/// The source that cargo itself writes into every lock file.
const LOCK_SOURCE: &str = concat!("registry+https://github.com/rust-lang/crates", ".io-index");

fn machines(file: &TextFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(file.text.lines()) {
        let mut text = line.to_owned();
        for example in EXAMPLES {
            text = text.replace(example, "");
        }
        if file.path == "Cargo.lock" {
            text = text.replace(LOCK_SOURCE, "");
        }
        if let Some(found) = MACHINES.iter().find(|found| text.contains(**found)) {
            findings.push(file.finding(number, format!("`{found}` exists on one machine only")));
        }
    }
    findings
}

#[test]
fn no_file_names_a_machine_or_a_registry() {
    hold(&files().iter().flat_map(machines).collect::<Vec<_>>());
}

#[test]
fn the_name_of_a_machine_or_a_registry_is_found() {
    let text = format!("a\nb {}x\n{}\n", MACHINES[0], EXAMPLES[0]);
    proves(&machines(&TextFile::new("a.md", &text)), &["a.md:2"]);
    let lock = format!("source = \"{LOCK_SOURCE}\"\nsource = \"x{}\"", MACHINES[5]);
    proves(
        &machines(&TextFile::new("Cargo.lock", &lock)),
        &["Cargo.lock:2"],
    );
    proves(
        &machines(&TextFile::new("other.lock", &lock)),
        &["other.lock:1", "other.lock:2"],
    );
}

/// Formats other than Rust that we write names in.
fn mission_era(file: &TextFile) -> Vec<Finding> {
    let ours = ["sql", "toml", "yml", "html"].contains(&file.extension());
    if !ours || file.is_below(&["migration/", "contract/"]) || file.path.contains("/tests/") {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(file.text.lines()) {
        let mut words = line.split(|c: char| !(c.is_alphanumeric() || c == '_'));
        if words.any(super::era_rules::is_of_the_feature_era) {
            findings.push(file.finding(number, "a name of the feature era; say mission"));
        }
    }
    findings
}

#[test]
fn data_has_no_names_of_the_feature_era() {
    hold(&files().iter().flat_map(mission_era).collect::<Vec<_>>());
    let bad = TextFile::new("a/b.sql", "x\ncreate table feature_x (mission_key text);");
    proves(&mission_era(&bad), &["a/b.sql:2"]);
}

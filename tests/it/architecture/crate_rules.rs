//! Which crate may import which, and where an outside crate may be seen.

use super::source::{Finding, RustFile, TextFile, files, rust_files, workspace};
use super::{hold, proves};
use serde_json::{Value, json};
use std::process::Command;

/// Our crates, by folder: what each may import (`AGENTS.md`, "Where things are").
const IMPORTS: &[(&str, &[&str])] = &[
    ("config", &[]),
    ("contract", &[]),
    ("runtime", &["config", "contract"]),
    ("missions", &["config", "contract", "runtime"]),
    ("actors", &["config", "contract", "runtime", "missions"]),
    ("migration", &["config", "contract", "runtime", "missions"]),
    ("teamspace", &["config", "contract"]),
    ("canary", &["config", "contract", "runtime"]),
    (
        "cli",
        &[
            "config",
            "contract",
            "runtime",
            "missions",
            "actors",
            "migration",
            "teamspace",
            "canary",
        ],
    ),
];

/// Outside crates, as paths name them, and the one place that may see each.
const PLACES: &[(&str, &[&str])] = &[
    ("sled", &["runtime/src/mailbox"]),
    ("reqwest", &["actors/src/transport"]),
    ("rustls", &["actors/src/transport"]),
    ("tokio_tungstenite", &["actors/src/transport"]),
    ("keyring_core", &["actors/src/auth"]),
    ("apple_native_keyring_store", &["actors/src/auth"]),
    ("linux_keyutils_keyring_store", &["actors/src/auth"]),
    ("windows_native_keyring_store", &["actors/src/auth"]),
    ("aes_gcm", &["actors/src/auth"]),
    ("scrypt", &["actors/src/auth"]),
    ("directories", &["config/src"]),
    ("toml_edit", &["config/src"]),
    ("clap", &["cli/src"]),
    ("clap_complete", &["cli/src"]),
    ("clap_mangen", &["cli/src"]),
    ("indicatif", &["cli/src"]),
    ("open", &["cli/src"]),
    ("tracing_subscriber", &["cli/src"]),
    ("sqlx", &["teamspace/src", "migration/src"]),
    ("actix_web", &["teamspace/src"]),
    ("git2", &["missions/src/git"]),
    ("serde_yaml_ng", &["missions/src"]),
    ("kitty_migration", &["cli/src/commands/upgrade"]),
    ("crc32c", &["runtime/src"]),
    ("schemars", &["canary/src"]),
    ("roxmltree", &["canary/src/gate/site"]),
];

/// Crates whose errors or macros would bypass the rules of style.
const UNWANTED: &[&str] = &[
    "anyhow",
    "eyre",
    "miette",
    "color-eyre",
    "lazy_static",
    "once_cell",
];

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .current_dir(workspace())
        .output()
        .unwrap();
    assert!(output.status.success(), "cargo metadata failed: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The folder of a package: what stands before `Cargo.toml`.
fn folder(package: &Value) -> &str {
    let manifest = package["manifest_path"].as_str().unwrap_or_default();
    manifest.rsplit(['/', '\\']).nth(1).unwrap_or_default()
}

fn at(package: &Value, advice: String) -> Finding {
    Finding {
        place: format!("{}/Cargo.toml:1", folder(package)),
        advice,
    }
}

fn imports(metadata: &Value) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in list(&metadata["packages"]) {
        let Some((_, allowed)) = IMPORTS.iter().find(|(name, _)| *name == folder(package)) else {
            let advice = "give this crate its line in IMPORTS and in the table of AGENTS.md";
            findings.push(at(package, advice.to_owned()));
            continue;
        };
        let ours = list(&package["dependencies"])
            .iter()
            .filter_map(|it| it["path"].as_str());
        for path in ours {
            let imported = path.rsplit(['/', '\\']).next().unwrap_or_default();
            if !allowed.contains(&imported) {
                let advice = format!("may not import `{imported}`; allowed here: {allowed:?}");
                findings.push(at(package, advice));
            }
        }
    }
    findings
}

#[test]
fn our_crates_import_only_in_the_documented_direction() {
    let metadata = metadata();
    assert!(list(&metadata["packages"]).len() >= 7, "{metadata}");
    hold(&imports(&metadata));
}

#[test]
fn an_import_against_the_direction_is_found() {
    let package = |folder: &str, imported: &str| {
        json!({"manifest_path": format!("/x/{folder}/Cargo.toml"),
               "dependencies": [{"name": "y", "path": format!("/x/{imported}")}]})
    };
    let metadata = json!({"packages": [
        package("config", "runtime"),
        package("actors", "runtime"),
        package("surprise", "config"),
    ]});
    proves(
        &imports(&metadata),
        &["config/Cargo.toml:1", "surprise/Cargo.toml:1"],
    );
}

fn declared_places(metadata: &Value) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in list(&metadata["packages"]) {
        for dependency in list(&package["dependencies"]) {
            let name = dependency["name"].as_str().unwrap_or_default();
            if UNWANTED.contains(&name) {
                findings.push(at(
                    package,
                    format!("`{name}` is not used here; see AGENTS.md, Style"),
                ));
            }
            let is_for_tests = dependency["kind"] == "dev";
            let place = PLACES
                .iter()
                .find(|(krate, _)| *krate == name.replace('-', "_"));
            if let Some((_, folders)) = place
                && !is_for_tests
                && !folders
                    .iter()
                    .any(|it| it.starts_with(&format!("{}/", folder(package))))
            {
                findings.push(at(
                    package,
                    format!("`{name}` may be seen in {folders:?} only"),
                ));
            }
        }
    }
    findings
}

fn used_places<'a>(files: impl IntoIterator<Item = &'a RustFile>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files {
        for (path, at) in file.paths() {
            let Some((krate, folders)) = PLACES.iter().find(|(krate, _)| path[0] == *krate) else {
                continue;
            };
            let is_path = path.len() > 1 || (at > 0 && file.code[at - 1].is("use"));
            let inside = folders.iter().any(|place| lies_in(&file.file.path, place));
            if is_path && !inside && file.is_program(at) {
                let advice =
                    format!("`{krate}` may be seen in {folders:?} only; go through its port");
                findings.push(file.finding(&file.code[at], advice));
            }
        }
    }
    findings
}

/// Tells whether a file is `place.rs` or lies below `place/`.
fn lies_in(path: &str, place: &str) -> bool {
    path.strip_prefix(place)
        .is_some_and(|rest| rest.starts_with(['/', '.']))
}

#[test]
fn every_outside_crate_is_seen_in_one_place() {
    hold(&declared_places(&metadata()));
    hold(&used_places(rust_files()));
}

#[test]
fn an_outside_crate_in_another_place_is_found() {
    let metadata = json!({"packages": [{"manifest_path": "/x/cli/Cargo.toml", "dependencies": [
        {"name": "sled"}, {"name": "clap"}, {"name": "anyhow"}, {"name": "sqlx", "kind": "dev"},
    ]}]});
    proves(
        &declared_places(&metadata),
        &["cli/Cargo.toml:1", "cli/Cargo.toml:1"],
    );
    let files = [
        RustFile::new("runtime/src/mailbox/sled_store.rs", "use sled::Db;"),
        RustFile::new("runtime/src/mailboxes.rs", "let sled = 1;\nuse sled::Db;"),
        RustFile::new(
            "runtime/src/owner.rs",
            "fn f(db: sled::Db) {}\n#[cfg(test)] use sled::X;",
        ),
        RustFile::new("actors/src/queue.rs", "use {a, reqwest::Client};"),
    ];
    let places = [
        "runtime/src/mailboxes.rs:2",
        "runtime/src/owner.rs:1",
        "actors/src/queue.rs:1",
    ];
    proves(&used_places(&files), &places);
}

/// Every crate takes version, edition, lints and dependencies from the workspace.
fn manifest(file: &TextFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut section = String::new();
    let mut inherits_lints = false;
    for (number, line) in (1..).zip(file.text.lines().map(str::trim)) {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').to_owned();
            continue;
        }
        let Some((key, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) else {
            continue;
        };
        let (key, value) = (key.trim(), value.trim());
        let inherited = (key.ends_with(".workspace") || key == "workspace") && value == "true"
            || value.contains("workspace = true");
        inherits_lints |= section == "lints" && inherited;
        let needs = section.ends_with("dependencies")
            || section == "package"
                && ["version", "edition", "rust-version", "license", "publish"]
                    .contains(&key.trim_end_matches(".workspace"));
        if needs && !inherited {
            let advice = format!("write `{key}.workspace = true` and keep the value in Cargo.toml");
            findings.push(file.finding(number, advice));
        }
    }
    if !inherits_lints {
        findings.push(file.finding(1, "add `[lints]` with `workspace = true`"));
    }
    findings
}

#[test]
fn every_crate_takes_versions_and_lints_from_the_workspace() {
    let manifests: Vec<&TextFile> = files()
        .iter()
        .filter(|file| file.path.ends_with("/Cargo.toml"))
        .collect();
    assert!(manifests.len() >= 7, "{manifests:?}");
    hold(&manifests.into_iter().flat_map(manifest).collect::<Vec<_>>());
}

#[test]
fn a_version_or_lint_of_its_own_is_found() {
    let text = "[package]\nname = \"x\"\nversion = \"1\"\n[dependencies]\na.workspace = true\n\
                b = { workspace = true, features = [] }\nc = \"1\"\n";
    let places = ["x/Cargo.toml:3", "x/Cargo.toml:7", "x/Cargo.toml:1"];
    proves(&manifest(&TextFile::new("x/Cargo.toml", text)), &places);
}

/// The lints that make whole rules of `AGENTS.md` hold at compile time.
const LINTS: &[&str] = &[
    "unsafe_code = \"forbid\"",
    "missing_docs = \"warn\"",
    "print_stdout = \"deny\"",
    "print_stderr = \"deny\"",
    "unwrap_used = \"deny\"",
    "await_holding_lock = \"deny\"",
];

fn lints(file: &TextFile) -> Vec<Finding> {
    let missing = LINTS
        .iter()
        .filter(|lint| !file.text.lines().any(|line| line == **lint));
    missing
        .map(|lint| file.finding(1, format!("put `{lint}` back")))
        .collect()
}

#[test]
fn the_lints_that_carry_rules_stay_on() {
    let root = files()
        .iter()
        .find(|file| file.path == "Cargo.toml")
        .unwrap();
    hold(&lints(root));
    assert!(!lints(&TextFile::new("Cargo.toml", "missing_docs = \"allow\"")).is_empty());
}

/// Every target that `cargo test --workspace` runs as a binary, as `package/target`.
pub fn test_binaries() -> Vec<String> {
    let metadata = metadata();
    let mut found = Vec::new();
    for package in list(&metadata["packages"]) {
        for target in list(&package["targets"])
            .iter()
            .filter(|target| target["test"] == true)
        {
            let name = |value: &Value| value["name"].as_str().unwrap_or_default().to_owned();
            found.push(format!("{}/{}", name(package), name(target)));
        }
    }
    found
}

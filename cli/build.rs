//! Embeds the commit that the program is built from: what a release gate traces it by.
//!
//! `SPEC_KITTY_COMMIT` says it where the sources come without their history; otherwise git is asked.
//! Where neither knows, nothing is embedded.

use std::path::Path;
use std::process::Command;

/// What changes when another commit is checked out or made, as git names it.
const MOVES: [&str; 3] = ["HEAD", "logs/HEAD", "packed-refs"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=SPEC_KITTY_COMMIT");
    let reference = git(&["symbolic-ref", "--quiet", "HEAD"]);
    let moves = MOVES.map(str::to_owned).into_iter().chain(reference);
    for name in moves {
        // A path that is not there would make every build run this anew.
        let path = git(&["rev-parse", "--git-path", &name]);
        if let Some(path) = path.filter(|path| Path::new(path).exists()) {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    #[allow(clippy::disallowed_methods)] // Whoever builds says it; no file of ours is read.
    let told = std::env::var("SPEC_KITTY_COMMIT").ok();
    let told = told.filter(|commit| !commit.is_empty());
    if let Some(commit) = told.or_else(|| git(&["rev-parse", "--verify", "--quiet", "HEAD"])) {
        println!("cargo::rustc-env=SPEC_KITTY_COMMIT={commit}");
    }
}

/// Asks git; `None` where there is no git or no repository.
fn git(words: &[&str]) -> Option<String> {
    let output = Command::new("git").args(words).output().ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    let said = said.trim();
    (output.status.success() && !said.is_empty()).then(|| said.to_owned())
}

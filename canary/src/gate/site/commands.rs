//! Commands that the configuration names: with a deadline, in an environment of their own.

use super::super::world::WorldError;
use super::Scratch;
use crate::machine::{CallError, Called, run};
use kitty_config::env;
use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Starts commands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Commands<'a> {
    pub(super) scratch: &'a Scratch,
    pub(super) search_path: &'a OsStr,
}

/// What a command has for its placeholders: `("{tag}", "v1")`.
pub(super) type Places<'a> = [(&'a str, &'a str)];

/// Puts values in the place of placeholders.
pub(super) fn fill(words: &[String], places: &Places<'_>) -> Vec<String> {
    let fill = |word: &String| {
        let put = |word: String, (place, value): &(&str, &str)| word.replace(place, value);
        places.iter().fold(word.clone(), put)
    };
    words.iter().map(fill).collect()
}

impl Commands<'_> {
    /// Runs a command in a directory, however it ends.
    ///
    /// It sees the search path and directories that are its own; a variable that it needs besides is
    /// given to it by `env NAME=value` in the configuration.
    pub(super) fn run(
        &self,
        words: &[String],
        directory: &Path,
        limit: Duration,
    ) -> Result<Called, CallError> {
        let text = words.join(" ");
        let Some((program, arguments)) = words.split_first() else {
            return Err(CallError::Start {
                words: text,
                why: "the configuration names no command".to_owned(),
            });
        };
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(directory)
            .env_clear()
            .env("PATH", self.search_path)
            .env(env::HOME.name, self.scratch.path("home"))
            // By this the processes of a gate that was killed are found.
            .env(env::SPEC_KITTY_HOME.name, self.scratch.path("state"))
            .env("TMPDIR", self.scratch.path(""))
            .env(env::NO_COLOR.name, "1")
            .env("LANG", "C.UTF-8");
        run(command, &text, limit)
    }

    /// Runs git in a checkout, however it ends.
    pub(super) fn git(&self, checkout: &Path, words: &[&str]) -> Result<Called, WorldError> {
        // Whoever owns a checkout: the configuration names it, and its test is run as well.
        let all = [
            "git",
            "-c",
            "safe.directory=*",
            "-c",
            "advice.detachedHead=false",
        ];
        let words: Vec<String> = all.iter().chain(words).map(|it| (*it).to_owned()).collect();
        self.run(&words, checkout, GIT_LIMIT)
            .map_err(WorldError::new)
    }

    /// Runs git in a checkout; it must succeed.
    pub(super) fn git_well(&self, checkout: &Path, words: &[&str]) -> Result<String, WorldError> {
        let called = self.git(checkout, words)?;
        if called.code == Some(0) {
            return Ok(called.stdout);
        }
        Err(WorldError(format!(
            "{}: {}",
            checkout.display(),
            called.told()
        )))
    }
}

/// How long one call of git may take.
const GIT_LIMIT: Duration = Duration::from_secs(300);

//! The candidate: a fresh prefix, and what the program in it says about itself.

use super::super::config::GateConfig;
use super::super::facts::{Installed, Release};
use super::super::world::WorldError;
use super::Site;
use super::commands::fill;
use kitty_runtime::crashsafe::{self, Durability};
use kitty_runtime::fs::read_all;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long an installation may take.
const INSTALL_LIMIT: Duration = Duration::from_secs(1800);
/// How long the candidate may take to say something.
const ANSWER_LIMIT: Duration = Duration::from_secs(120);
/// The folder of the prefixes within the directory of the gate.
const CANDIDATES: &str = "candidates";

/// What the candidate says about itself.
#[derive(Debug, Default)]
pub(super) struct Origin {
    pub(super) version: String,
    pub(super) commit: Option<String>,
    pub(super) is_recent: bool,
    pub(super) import_error: Option<String>,
}

impl Site<'_> {
    /// Installs into a prefix that nothing was ever in; the inner error is why that failed.
    pub(super) fn install(
        &self,
        config: &GateConfig,
        release: &Release,
    ) -> Result<Result<Installed, String>, WorldError> {
        let prefix = self.fresh_prefix(&release.tag)?;
        let program = prefix.join(&config.candidate.program);
        let done = if config.candidate.install.is_empty() {
            self.copy(&release.artifact, &program)
        } else {
            self.run_install(config, release, &prefix)
        };
        if let Err(why) = done {
            return Ok(Err(why));
        }
        let told = program.display().to_string();
        match self.ask(&[told.clone(), "--version".to_owned()]) {
            Err(why) => Ok(Err(why)),
            Ok(_) => Ok(Ok(Installed {
                prefix: prefix.display().to_string(),
                program: told,
            })),
        }
    }

    fn fresh_prefix(&self, tag: &str) -> Result<PathBuf, WorldError> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "._-+".contains(c);
        if !tag.starts_with(|c: char| c.is_ascii_alphanumeric()) || !tag.chars().all(fits) {
            return Err(WorldError(format!(
                "the tag `{tag}` cannot name a directory"
            )));
        }
        let folder = self.directory.join(CANDIDATES);
        let failed = |error| WorldError(format!("{}: {error}", folder.display()));
        crashsafe::create_dir_all(&*self.filesystem, &folder).map_err(failed)?;
        let mut number = 1;
        loop {
            let prefix = folder.join(format!("{tag}-{number}"));
            if self.filesystem.create_dir(&prefix).map_err(failed)? {
                return Ok(prefix);
            }
            number += 1;
        }
    }

    fn copy(&self, artifact: &str, program: &Path) -> Result<(), String> {
        let artifact = self.path(Path::new(artifact));
        let failed = |path: &Path| {
            let path = path.display().to_string();
            move |error: std::io::Error| format!("{path}: {error}")
        };
        let bytes = read_all(&*self.filesystem, &artifact).map_err(failed(&artifact))?;
        crashsafe::replace(&*self.filesystem, program, &bytes, Durability::PowerCut)
            .map_err(failed(program))?;
        let mut permissions = std::fs::metadata(program)
            .map_err(failed(program))?
            .permissions();
        #[cfg(unix)]
        std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o755);
        #[cfg(not(unix))]
        permissions.set_readonly(true);
        std::fs::set_permissions(program, permissions).map_err(failed(program))
    }

    fn run_install(
        &self,
        config: &GateConfig,
        release: &Release,
        prefix: &Path,
    ) -> Result<(), String> {
        let prefix = prefix.display().to_string();
        let places = [
            ("{artifact}", release.artifact.as_str()),
            ("{tag}", &release.tag),
            ("{prefix}", &prefix),
        ];
        let words = fill(&config.candidate.install, &places);
        let called = self.commands().run(&words, &self.base, INSTALL_LIMIT);
        let called = called.map_err(|error| error.to_string())?;
        match called.code {
            Some(0) => Ok(()),
            _ => Err(called.told()),
        }
    }

    /// Asks the candidate for its version, its commit, and whether everything in it loads.
    pub(super) fn origin(
        &self,
        config: &GateConfig,
        installed: &Installed,
    ) -> Result<Origin, WorldError> {
        let candidate = &config.candidate;
        let program = installed.program.as_str();
        let places = [("{program}", program), ("{prefix}", &installed.prefix)];
        let mut found = Origin::default();
        let imports = candidate.imports.iter().map(|words| fill(words, &places));
        for words in imports {
            if let Err(why) = self.ask(&words) {
                found.import_error = Some(why);
                return Ok(found);
            }
        }
        match self.ask(&[program.to_owned(), "--version".to_owned()]) {
            Err(why) => found.import_error = Some(why),
            Ok(said) => said
                .split_whitespace()
                .last()
                .unwrap_or_default()
                .clone_into(&mut found.version),
        }
        let words = if candidate.origin.is_empty() {
            [program, "canary", "origin"].map(str::to_owned).to_vec()
        } else {
            fill(&candidate.origin, &places)
        };
        // A program that cannot say where it is from cannot be traced; the gate stops for that.
        found.commit = self.ask(&words).ok().and_then(|said| commit_in(&said));
        if let Some(commit) = &found.commit {
            found.is_recent = self.is_recent(config, commit)?;
        }
        Ok(found)
    }

    /// Tells whether a commit is the least one or a descendant of it, by the word of the checkout.
    fn is_recent(&self, config: &GateConfig, commit: &str) -> Result<bool, WorldError> {
        let checkout = self.path(&config.candidate.repository);
        let least = config.candidate.minimum_commit.as_str();
        let commands = self.commands();
        let knows = |commit: &str| {
            let name = format!("{commit}^{{commit}}");
            commands
                .git(&checkout, &["cat-file", "-e", &name])
                .map(|called| called.code == Some(0))
        };
        if !knows(least)? {
            return Err(WorldError(format!(
                "{} has no commit {least}; fetch it, or correct `minimum_commit`",
                checkout.display()
            )));
        }
        if !knows(commit)? {
            return Ok(false);
        }
        let words = ["merge-base", "--is-ancestor", least, commit];
        Ok(commands.git(&checkout, &words)?.code == Some(0))
    }

    /// Runs a command that must succeed and returns what it said.
    fn ask(&self, words: &[String]) -> Result<String, String> {
        let home = self.scratch.path("home");
        let called = self.commands().run(words, &home, ANSWER_LIMIT);
        let called = called.map_err(|error| error.to_string())?;
        match called.code {
            Some(0) => Ok(called.stdout),
            _ => Err(called.told()),
        }
    }
}

/// Finds the whole name of a commit in a text.
#[must_use]
pub fn commit_in(text: &str) -> Option<String> {
    let mut words = text.split(|c: char| !c.is_ascii_alphanumeric());
    let is_hash = |word: &&str| word.len() == 40 && word.bytes().all(|it| it.is_ascii_hexdigit());
    words.find(is_hash).map(str::to_ascii_lowercase)
}

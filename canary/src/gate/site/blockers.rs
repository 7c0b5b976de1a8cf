//! Blockers: closed, and closed by something. The fix is really run, with its test and without it.

use super::super::config::{Blocker, Fix, GateConfig};
use super::super::facts::{BlockerFound, Insubstantial, IssueState};
use super::super::substance::behaviour;
use super::super::world::WorldError;
use super::Site;
use super::commands::Commands;
use crate::machine::{CallError, Called};
use kitty_runtime::crashsafe::{self, Durability};
use std::path::Path;
use std::time::Duration;

impl Site<'_> {
    pub(super) fn find_blockers(
        &self,
        config: &GateConfig,
    ) -> Result<Vec<BlockerFound>, WorldError> {
        let found = config.blockers.iter().map(|it| self.find_blocker(it));
        found.collect()
    }

    fn find_blocker(&self, blocker: &Blocker) -> Result<BlockerFound, WorldError> {
        let state = self.tracker.state(&blocker.issue)?;
        // A fix of an open issue is nothing to judge.
        let insubstantial = match state {
            IssueState::Open => None,
            IssueState::Closed => self.weigh(&blocker.fix)?,
        };
        Ok(BlockerFound {
            issue: blocker.issue.clone(),
            state,
            insubstantial,
        })
    }

    /// Tells why a fix does not count; `None` when it does.
    fn weigh(&self, fix: &Fix) -> Result<Option<Insubstantial>, WorldError> {
        self.scratch.clear()?;
        let commands = self.commands();
        let origin = self.path(&fix.repository);
        let commit = hash(&commands, &origin, &format!("{}^{{commit}}", fix.commit))?;
        let parent = hash(&commands, &origin, &format!("{commit}^1"))?;
        let change = Change {
            commands,
            origin: &origin,
            parent: &parent,
            commit: &commit,
            fix,
        };
        let diff = change.diff(&[])?;
        if behaviour(&diff, &fix.immaterial).is_empty() {
            return Ok(Some(Insubstantial::DiagnosticOnly));
        }
        let with = self.scratch.path("with-fix");
        check_out(self, &origin, &with, &commit)?;
        if let Err(why) = passes(&commands, &with, fix)? {
            return Ok(Some(Insubstantial::TestFailsOnFix(why)));
        }
        let without = self.scratch.path("without-fix");
        check_out(self, &origin, &without, &parent)?;
        change.take_tests(&without)?;
        // Besides, the fix commit without its change: so that the test cannot fail on the parent only
        // because something that it needs is not there yet.
        let undone = self.scratch.path("undone");
        check_out(self, &origin, &undone, &commit)?;
        change.undo(&undone, &self.scratch.path("change.patch"))?;
        for checkout in [without, undone] {
            if passes(&commands, &checkout, fix)?.is_ok() {
                return Ok(Some(Insubstantial::TestPassesOnParent));
            }
        }
        Ok(None)
    }
}

/// What a fix changes, from its parent commit to its own.
struct Change<'a> {
    commands: Commands<'a>,
    origin: &'a Path,
    parent: &'a str,
    commit: &'a str,
    fix: &'a Fix,
}

impl Change<'_> {
    /// Returns what is changed where behaviour has to change; the test files do not count.
    fn diff(&self, options: &[&str]) -> Result<String, WorldError> {
        let tests = self.fix.test_files.iter();
        let without = tests.map(|it| format!(":(exclude,top,literal){it}"));
        let paths: Vec<String> = self.fix.paths.iter().cloned().chain(without).collect();
        let mut words = vec!["diff", "--no-ext-diff", "--no-textconv", "--no-color"];
        words.extend(options);
        words.extend([self.parent, self.commit, "--"]);
        words.extend(paths.iter().map(String::as_str));
        self.commands.git_well(self.origin, &words)
    }

    /// Takes the test files of the fix to another checkout.
    fn take_tests(&self, checkout: &Path) -> Result<(), WorldError> {
        if self.fix.test_files.is_empty() {
            return Ok(());
        }
        let mut words = vec!["checkout", "--quiet", self.commit, "--"];
        words.extend(self.fix.test_files.iter().map(String::as_str));
        self.commands.git_well(checkout, &words).map(drop)
    }

    /// Takes the change, and nothing else, out of a checkout of the fix.
    fn undo(&self, checkout: &Path, patch: &Path) -> Result<(), WorldError> {
        let patch = patch.to_string_lossy();
        self.diff(&["--binary", &format!("--output={patch}")])?;
        let words = ["apply", "--reverse", "--whitespace=nowarn", &*patch];
        self.commands.git_well(checkout, &words).map(drop)
    }
}

/// Returns the whole name of a commit.
fn hash(commands: &Commands<'_>, origin: &Path, name: &str) -> Result<String, WorldError> {
    let words = ["rev-parse", "--verify", "--quiet", name];
    let called = commands.git(origin, &words)?;
    if called.code == Some(0) {
        return Ok(called.stdout.trim().to_owned());
    }
    Err(WorldError(format!(
        "{} has no commit {name}; fetch it, or correct `fix` in the configuration",
        origin.display()
    )))
}

/// Makes a checkout that reads the objects of the other and writes nothing into it.
///
/// No clone: that asks a process of its own for the objects, which refuses what another user owns.
fn check_out(site: &Site<'_>, origin: &Path, to: &Path, commit: &str) -> Result<(), WorldError> {
    let commands = site.commands();
    let objects = [
        "rev-parse",
        "--path-format=absolute",
        "--git-path",
        "objects",
    ];
    let objects = commands.git_well(origin, &objects)?;
    commands.git_well(origin, &["init", "--quiet", &to.to_string_lossy()])?;
    let alternates = to.join(".git/objects/info/alternates");
    let bytes = objects.as_bytes();
    crashsafe::replace(
        &*site.filesystem,
        &alternates,
        bytes,
        Durability::ProcessDeath,
    )
    .map_err(|error| WorldError(format!("{}: {error}", alternates.display())))?;
    commands.git_well(to, &["checkout", "--quiet", "--detach", commit])?;
    Ok(())
}

/// Runs the test; the inner error says why it failed.
fn passes(
    commands: &Commands<'_>,
    checkout: &Path,
    fix: &Fix,
) -> Result<Result<(), String>, WorldError> {
    let limit = Duration::from_secs(fix.limit_seconds);
    match commands.run(&fix.test, checkout, limit) {
        Ok(Called { code: Some(0), .. }) => Ok(Ok(())),
        Err(error @ CallError::TooLong { .. }) => Ok(Err(error.to_string())),
        // What a shell says about a program that is not there.
        Ok(called) if matches!(called.code, Some(126 | 127)) => Err(not_a_test(&called.told())),
        Ok(called) => Ok(Err(called.told())),
        Err(error) => Err(not_a_test(&error.to_string())),
    }
}

/// A test that does not start proves nothing, neither with the fix nor without it.
fn not_a_test(why: &str) -> WorldError {
    WorldError(format!(
        "the test of the fix does not start: {why}. Name all its files in `test_files`"
    ))
}

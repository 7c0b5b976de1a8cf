//! What the canary and the suite are run over: a binary and a Teamspace.

use super::teamspace::{Remote, Served};
use super::{preflight, search_path};
use crate::failure::Failure;
use crate::invocation::Invocation;
use clap::Args;
use kitty_canary::machine::Bench;
use kitty_canary::ports::Teamspace as _;
use kitty_canary::protocol::new_log;
use kitty_teamspace::DEFAULT_OWNER_EMAIL;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Arguments that name the binary and the Teamspace.
#[derive(Debug, Args)]
pub struct SubjectArgs {
    /// The Teamspace; without it one is started on this machine and ended afterwards
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// The file with the approval key of that Teamspace; without it a person approves each login
    #[arg(long, value_name = "FILE", requires = "server")]
    approval_key_file: Option<PathBuf>,
    /// The account that machines log in as; the suite's must own its Private Teamspace
    #[arg(long, value_name = "EMAIL", default_value = DEFAULT_OWNER_EMAIL)]
    account: String,
    /// The binary under test; this program without it
    #[arg(long, value_name = "PATH")]
    cli: Option<PathBuf>,
}

/// A binary, a Teamspace, and a directory for machines; all that was made for it ends with it.
#[derive(Debug)]
pub(super) struct Subject {
    pub(super) program: PathBuf,
    pub(super) remote: Remote,
    base: PathBuf,
    // Dropped in this order: the server ends before its data goes.
    _served: Option<Served>,
    _work: TempDir,
}

impl Subject {
    /// Finds the binary, and starts a Teamspace or logs in at the one that is named.
    pub(super) fn prepare(invocation: &Invocation, args: &SubjectArgs) -> Result<Self, Failure> {
        let program = match &args.cli {
            Some(path) => runnable(&invocation.directory.join(path))?,
            None => std::env::current_exe().map_err(preflight)?,
        };
        let work = tempfile::Builder::new()
            .prefix("spec-kitty-canary-")
            .tempdir()
            .map_err(|error| preflight(format!("no temporary directory: {error}")))?;
        let base = work.path().canonicalize().map_err(preflight)?;
        let (served, remote) = args.teamspace(invocation, &base)?;
        Ok(Self {
            program,
            remote,
            base,
            _served: served,
            _work: work,
        })
    }

    /// Returns what the machines of this subject have in common, with an empty log.
    pub(super) fn bench(&self, invocation: &Invocation) -> Bench {
        Bench {
            program: self.program.clone(),
            search_path: search_path(invocation),
            url: self.remote.url().to_owned(),
            log: new_log(),
            filesystem: invocation.filesystem.clone(),
        }
    }

    /// Returns the directory that machines are made in; it is not there yet.
    pub(super) fn machines(&self) -> PathBuf {
        self.base.join("machines")
    }
}

impl SubjectArgs {
    fn teamspace(
        &self,
        invocation: &Invocation,
        base: &Path,
    ) -> Result<(Option<Served>, Remote), Failure> {
        let account = &self.account;
        if let Some(server) = &self.server {
            let key = self.approval_key_file.as_deref();
            return Ok((None, Remote::at(invocation, server, key, account)?));
        }
        let served = Served::start(&base.join("teamspace"), account)?;
        let remote = served.remote(invocation, account)?;
        Ok((Some(served), remote))
    }
}

/// Requires that the binary under test is there; no other is taken in its place.
fn runnable(path: &Path) -> Result<PathBuf, Failure> {
    if path.is_file() {
        return Ok(path.to_owned());
    }
    Err(preflight(format!("there is no binary at {}", path.display())).next("Check `--cli`."))
}

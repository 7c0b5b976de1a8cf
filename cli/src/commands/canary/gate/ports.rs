//! The tracker and the releases of a gate: files, or `gh`.

use super::{Via, cannot_begin};
use crate::failure::Failure;
use crate::invocation::Invocation;
use kitty_canary::gate::GateConfig;
use kitty_canary::gate::github::GitHub;
use kitty_canary::gate::outbox::{KnownIssue, Outbox, ReleaseFile, Rendered, read_json};
use kitty_canary::gate::world::{ReleaseSource, Tracker};
use kitty_config::env;
use std::ffi::OsString;
use std::path::Path;

/// Where acts wait for a person.
const OUTBOX: &str = "outbox";
/// Where the bytes of a comment lie that `gh` posts.
const POSTED: &str = "posted";

/// What a gate asks and tells.
pub(super) struct Ports {
    pub(super) tracker: Box<dyn Tracker>,
    pub(super) releases: Box<dyn ReleaseSource>,
}

/// Opens the ports that a configuration names; `gh` is started only where no file does.
pub(super) fn open(
    invocation: &Invocation,
    via: Via,
    config: &GateConfig,
    base: &Path,
    directory: &Path,
) -> Result<Ports, Failure> {
    let filesystem = invocation.filesystem.clone();
    let github = || {
        let scratch = directory.join(POSTED);
        let repo = config.releases_repo.as_deref().unwrap_or_default();
        let found = GitHub::available(
            filesystem.clone(),
            Path::new("gh"),
            environment(invocation),
            &scratch,
            repo,
        );
        found.ok_or_else(|| {
            let message = "`gh` is not there or not logged in";
            let next = "Run `gh auth login`, or name `issues_file` and `releases_file` in the \
                        configuration and leave `--via gh` out.";
            cannot_begin(message).next(next)
        })
    };
    let releases: Box<dyn ReleaseSource> = match (&config.releases_file, &config.releases_repo) {
        (Some(path), _) => Box::new(ReleaseFile {
            filesystem: filesystem.clone(),
            path: base.join(path),
        }),
        (None, Some(_)) => Box::new(github()?),
        (None, None) => {
            let message = "the configuration names neither `releases_file` nor `releases_repo`";
            return Err(cannot_begin(message).next("Name one of them."));
        }
    };
    let outbox = |known| Outbox::new(filesystem.clone(), directory.join(OUTBOX), known);
    let tracker: Box<dyn Tracker> = match (via, &config.issues_file) {
        (Via::Gh, _) => Box::new(github()?),
        (Via::Files, None) => Box::new(Rendered {
            reads: Box::new(github()?),
            outbox: outbox(Vec::new()),
        }),
        (Via::Files, Some(path)) => {
            let known: Vec<KnownIssue> = read_json(&*filesystem, &base.join(path))
                .map_err(|error| cannot_begin(error).next("Correct `issues_file`."))?;
            Box::new(outbox(known))
        }
    };
    Ok(Ports { tracker, releases })
}

/// What `gh` finds its login by.
fn environment(invocation: &Invocation) -> Vec<(OsString, OsString)> {
    let passed = [
        env::PATH,
        env::HOME,
        env::XDG_CONFIG_HOME,
        env::GH_CONFIG_DIR,
        env::GH_TOKEN,
        env::GITHUB_TOKEN,
    ];
    let pair = |variable: kitty_config::env::Variable| {
        let value = invocation.environment.raw(variable)?;
        Some((OsString::from(variable.name), value.to_owned()))
    };
    passed.into_iter().filter_map(pair).collect()
}

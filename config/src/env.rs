//! Every environment variable the program reads, as documented constants.
//!
//! `docs/environment.md` is generated from [`ALL`]; a test fails when the two differ. Nothing else
//! names a variable.

use std::fmt::Write as _;

/// Describes one environment variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    /// The name as it stands in the environment.
    pub name: &'static str,
    /// What it does, in one sentence.
    pub purpose: &'static str,
    /// What holds when it is unset.
    pub default: &'static str,
}

macro_rules! variables {
    ($( $(#[$doc:meta])* $ident:ident = $name:literal, $default:literal, $purpose:literal; )*) => {
        $(
            #[doc = $purpose]
            #[doc = ""]
            #[doc = concat!("Unset: ", $default, ".")]
            pub const $ident: Variable =
                Variable { name: $name, purpose: $purpose, default: $default };
        )*
        /// All variables, in the order of `docs/environment.md`.
        pub const ALL: &[Variable] = &[$($ident),*];
    };
}

variables! {
    SPEC_KITTY_HOME = "SPEC_KITTY_HOME", "`~/.spec-kitty`, on Windows `%LOCALAPPDATA%\\spec-kitty`",
        "Selects the root for all local Spec Kitty state; used verbatim, and empty counts as unset.";
    SPEC_KITTY_ENABLE_SAAS_SYNC = "SPEC_KITTY_ENABLE_SAAS_SYNC", "hosted sync is off and invisible",
        "Opts this machine in to hosted sync when it is `1`, `true`, `yes`, `y` or `on` (any case, trimmed).";
    SPEC_KITTY_SYNC_DISABLE = "SPEC_KITTY_SYNC_DISABLE", "no effect",
        "Turns hosted sync off again when truthy, whatever the opt-in says.";
    SPEC_KITTY_SYNC_MINIMAL_IMPORT = "SPEC_KITTY_SYNC_MINIMAL_IMPORT", "no effect",
        "Accepted from the Python CLI: turns hosted sync off when truthy.";
    SPEC_KITTY_SAAS_URL = "SPEC_KITTY_SAAS_URL", "`[sync].server_url` of `config.toml`",
        "Names the Teamspace server; wins over the settings file, for every caller.";
    SPEC_KITTY_ACCESS_TOKEN = "SPEC_KITTY_ACCESS_TOKEN", "the stored session",
        "Supplies a bearer token for machines without a login (CI); never written to disk.";
    SPEC_KITTY_AUTH_STORE = "SPEC_KITTY_AUTH_STORE", "`file`",
        "Chooses where the session is kept: `file` (encrypted, shared with the Python CLI) or `keyring`.";
    SPEC_KITTY_DISABLE_SESSION_HOT_PATH = "SPEC_KITTY_DISABLE_SESSION_HOT_PATH", "hints are used",
        "Ignores the token-free session hint and the cached key when `1`.";
    SPEC_KITTY_DAEMON_IDLE_SECONDS = "SPEC_KITTY_DAEMON_IDLE_SECONDS", "900",
        "Ends the background daemon after this many seconds without work; whole seconds, at least 1.";
    SPEC_KITTY_DAEMON_HEARTBEAT_SECONDS = "SPEC_KITTY_DAEMON_HEARTBEAT_SECONDS", "300",
        "Lets the background daemon say that a checkout is worked in, with a delivery and at most once in this many seconds.";
    SPEC_KITTY_STATUS_LOCK_SECONDS = "SPEC_KITTY_STATUS_LOCK_SECONDS", "30",
        "Says how long a command waits for another process that writes the status of the same mission; whole seconds, and 0 does not wait.";
    SPEC_KITTY_SYNC_ARTIFACTS = "SPEC_KITTY_SYNC_ARTIFACTS", "artifacts are told of and uploaded",
        "Keeps the artifacts of missions on this machine when it is `0`, `false`, `no`, `n` or `off`: neither dossier events nor contents are captured.";
    SPEC_KITTY_QUIET = "SPEC_KITTY_QUIET", "diagnostics go to stderr",
        "Silences every diagnostic when truthy, like `--quiet`.";
    SPEC_KITTY_LOG = "SPEC_KITTY_LOG", "`warn`",
        "Filters the log on stderr, in the syntax of `tracing` (for example `debug` or `kitty_actors=trace`).";
    SPEC_KITTY_NO_UPGRADE_CHECK = "SPEC_KITTY_NO_UPGRADE_CHECK", "no effect",
        "Accepted from the Python CLI; this program never checks for upgrades.";
    SPECIFY_REPO_ROOT = "SPECIFY_REPO_ROOT", "the project is found from the working directory",
        "Names the project root when it is an existing directory.";
    NO_COLOR = "NO_COLOR", "colour on a terminal",
        "Disables colour when non-empty.";
    HOME = "HOME", "the password database",
        "Names the home directory that the default state root lies in (POSIX).";
    XDG_CONFIG_HOME = "XDG_CONFIG_HOME", "`$HOME/.config`",
        "Names the directory that `sync daemon install` writes the service into (Linux); used when it is absolute.";
    PATH = "PATH", "`/usr/local/bin:/usr/bin:/bin`",
        "Says where the canary and its gate find programs such as `git`.";
    GH_TOKEN = "GH_TOKEN", "the login of `gh`",
        "Is passed on to `gh` by the release gate.";
    GITHUB_TOKEN = "GITHUB_TOKEN", "`GH_TOKEN`, or the login of `gh`",
        "Is passed on to `gh` by the release gate.";
    GH_CONFIG_DIR = "GH_CONFIG_DIR", "`$XDG_CONFIG_HOME/gh`",
        "Is passed on to `gh` by the release gate: where its login lies.";
    LOGNAME = "LOGNAME", "`USER`",
        "Names the user in the emitter's identity (`node_id`), as in the Python CLI.";
    USER = "USER", "`LNAME`",
        "Names the user when `LOGNAME` does not.";
    LNAME = "LNAME", "`USERNAME`",
        "Names the user when neither of the two does.";
    USERNAME = "USERNAME", "the local password file",
        "Names the user when none of the three does.";
}

/// Renders `docs/environment.md`.
#[must_use]
pub fn reference_page() -> String {
    let mut page = String::from(
        "# Environment variables\n\n\
         Generated from `config/src/env.rs`; `UPDATE_DOCS=1 cargo test generated_pages` rewrites it.\n\n\
         | Variable | Purpose | When unset |\n|---|---|---|\n",
    );
    for variable in ALL {
        writeln!(
            page,
            "| `{}` | {} | {} |",
            variable.name, variable.purpose, variable.default
        )
        .expect("writing to a string cannot fail");
    }
    page
}

//! What every command starts from: environment, state root, settings, printer.

use crate::failure::Failure;
use crate::printer::Printer;
use kitty_config::policy::HostedSync;
use kitty_config::{
    Environment, FileMap, ReadFailure, RuntimeRoot, ServerUrl, Settings, SettingsDocument,
    SyncHost, env, resolve_host,
};
use kitty_missions::git::GitProgram;
use kitty_runtime::fs::{SharedFilesystem, os_filesystem};
use kitty_runtime::time::{SharedTime, system_time};
use std::path::PathBuf;
use std::time::Duration;

/// The release, as answers name it.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit that the program was built from; `None` when the build was not told and had no history.
pub const COMMIT: Option<&str> = option_env!("SPEC_KITTY_COMMIT");

/// One run of the program.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The environment as it was at the start.
    pub environment: Environment,
    /// Every path below the state root.
    pub map: FileMap,
    /// Writes for people and programs.
    pub printer: Printer,
    /// The file system.
    pub filesystem: SharedFilesystem,
    /// The wall clock.
    pub time: SharedTime,
    /// The working directory.
    pub directory: PathBuf,
}

impl Invocation {
    /// Collects what a command starts from; opens no file.
    ///
    /// # Errors
    /// [`Failure`] when there is no state root or no working directory.
    pub fn new(environment: Environment, printer: Printer) -> Result<Self, Failure> {
        let root = RuntimeRoot::of_process(&environment)
            .map_err(|error| Failure::from_error("no_state_root", error))?;
        let directory = std::env::current_dir().map_err(|error| {
            Failure::new(
                "no_working_directory",
                format!("the working directory cannot be used: {error}"),
            )
            .next("Change to a directory that exists.")
        })?;
        Ok(Self {
            map: FileMap::new(&root),
            environment,
            printer,
            filesystem: os_filesystem(),
            time: system_time(),
            directory,
        })
    }

    /// Tells whether hosted sync is on, now.
    #[must_use]
    pub fn hosted_sync(&self) -> bool {
        HostedSync::decide(&self.environment).is_on()
    }

    /// Reads the settings; a file that cannot be read counts as empty, and its warnings are printed.
    #[must_use]
    pub fn settings(&self) -> Settings {
        let settings = match SettingsDocument::open(&self.map.config_toml()) {
            Ok(document) => Settings::from_document(&document),
            Err(failure) => {
                self.printer.note(settings_warning(&failure));
                Settings::default()
            }
        };
        for warning in settings.warnings() {
            self.printer.note(warning);
        }
        settings
    }

    /// Returns the configured server.
    ///
    /// # Errors
    /// [`Failure`] when the address that applies may not be used.
    pub fn host(&self, settings: &Settings) -> Result<Option<SyncHost>, Failure> {
        resolve_host(&self.environment, settings)
            .map_err(|error| Failure::from_error("invalid_server_url", error))
    }

    /// Returns the address of the configured server; an unusable address counts as none.
    #[must_use]
    pub fn server(&self, settings: &Settings) -> Option<ServerUrl> {
        self.host(settings).ok().flatten().map(|host| host.url)
    }

    /// Returns the git program, with the deadlines that the environment names.
    #[must_use]
    pub fn git(&self) -> GitProgram {
        let seconds = self.environment.text(env::SPEC_KITTY_STATUS_LOCK_SECONDS);
        match seconds.and_then(|text| text.parse().ok()) {
            Some(seconds) => {
                GitProgram::default().with_status_lock_limit(Duration::from_secs(seconds))
            }
            None => GitProgram::default(),
        }
    }

    /// Returns the project root that the environment names.
    #[must_use]
    pub fn named_project_root(&self) -> Option<PathBuf> {
        self.environment
            .non_empty(env::SPECIFY_REPO_ROOT)
            .map(PathBuf::from)
    }
}

fn settings_warning(failure: &ReadFailure) -> String {
    format!(
        "config.toml is {} and counts as empty: {}",
        failure.kind.as_str(),
        failure.detail
    )
}

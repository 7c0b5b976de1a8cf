//! The one resolver of the state root (document 3, FR-010..012).

use crate::env;
use crate::environment::Environment;
use std::path::{Path, PathBuf};

/// The family of operating systems whose default location applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    /// Linux, macOS and the other systems with `$HOME`.
    Posix,
    /// Windows, where state is non-roaming application data.
    Windows,
}

impl Platform {
    /// Returns the platform this program was built for.
    #[must_use]
    pub const fn current() -> Self {
        if cfg!(windows) {
            Self::Windows
        } else {
            Self::Posix
        }
    }
}

/// Supplies the directories that the operating system knows and the environment does not.
///
/// The functions are called only when the environment does not decide, so that an isolated session
/// never consults the password database.
#[derive(Debug, Clone, Copy)]
pub struct PlatformDirectories {
    /// Returns the home directory of the user.
    pub home: fn() -> Option<PathBuf>,
    /// Returns the local (non-roaming) application data directory.
    pub local_data: fn() -> Option<PathBuf>,
}

impl PlatformDirectories {
    /// Asks the operating system through the `directories` crate.
    #[must_use]
    pub fn of_system() -> Self {
        Self {
            home: || directories::BaseDirs::new().map(|base| base.home_dir().to_owned()),
            local_data: || {
                directories::BaseDirs::new().map(|base| base.data_local_dir().to_owned())
            },
        }
    }
}

/// Says which rule chose the state root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RootSource {
    /// `SPEC_KITTY_HOME` named it.
    Variable,
    /// The platform's default location applies.
    PlatformDefault,
}

/// The directory that holds all local state of this program.
///
/// Resolving it is pure: the value may name a directory that does not exist, and the writing
/// operation creates it. The path is used verbatim: no expansion, not made absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeRoot {
    path: PathBuf,
    source: RootSource,
    platform: Platform,
}

/// No rule yields a state root.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "no home directory is known for this user, so the state root cannot be resolved; \
     set SPEC_KITTY_HOME to a directory of your choice"
)]
pub struct RootError;

impl RuntimeRoot {
    /// Resolves the root for this process.
    ///
    /// # Errors
    /// [`RootError`] when `SPEC_KITTY_HOME` is unset and the user has no home directory.
    pub fn of_process(environment: &Environment) -> Result<Self, RootError> {
        Self::resolve(
            Platform::current(),
            environment,
            PlatformDirectories::of_system(),
        )
    }

    /// Resolves the root: `SPEC_KITTY_HOME` if non-empty, else the platform's default.
    ///
    /// # Errors
    /// [`RootError`] when neither yields a path.
    pub fn resolve(
        platform: Platform,
        environment: &Environment,
        directories: PlatformDirectories,
    ) -> Result<Self, RootError> {
        if let Some(value) = environment.non_empty(env::SPEC_KITTY_HOME) {
            let path = PathBuf::from(value);
            return Ok(Self {
                path,
                source: RootSource::Variable,
                platform,
            });
        }
        let path = match platform {
            Platform::Posix => environment
                .non_empty(env::HOME)
                .map(PathBuf::from)
                .or_else(|| (directories.home)())
                .map(|home| home.join(".spec-kitty")),
            Platform::Windows => (directories.local_data)().map(|data| data.join("spec-kitty")),
        };
        let path = path.ok_or(RootError)?;
        Ok(Self {
            path,
            source: RootSource::PlatformDefault,
            platform,
        })
    }

    /// Returns the directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns which rule chose it.
    #[must_use]
    pub const fn source(&self) -> RootSource {
        self.source
    }

    /// Returns the platform whose layout applies below it.
    #[must_use]
    pub const fn platform(&self) -> Platform {
        self.platform
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIRECTORIES: PlatformDirectories = PlatformDirectories {
        home: || Some(PathBuf::from("/password/database/directory")),
        local_data: || Some(PathBuf::from("C:/Users/u/AppData/Local")),
    };
    const NO_DIRECTORIES: PlatformDirectories = PlatformDirectories {
        home: || None,
        local_data: || None,
    };

    fn resolve(platform: Platform, environment: &Environment) -> RuntimeRoot {
        RuntimeRoot::resolve(platform, environment, DIRECTORIES).unwrap()
    }

    #[test]
    fn the_variable_wins_on_every_platform_and_is_taken_verbatim() {
        for platform in [Platform::Posix, Platform::Windows] {
            for value in [
                "/isolated",
                "relative/dir",
                "~/not-expanded",
                " spaces ",
                "$HOME/x",
                "/a/../b",
            ] {
                let environment = Environment::default()
                    .with(env::HOME, "/home/user")
                    .with(env::SPEC_KITTY_HOME, value);
                let root = resolve(platform, &environment);
                assert_eq!(root.path(), Path::new(value));
                assert_eq!(root.source(), RootSource::Variable);
            }
        }
    }

    #[test]
    fn an_empty_variable_is_unset() {
        let environment = Environment::default()
            .with(env::HOME, "/home/user")
            .with(env::SPEC_KITTY_HOME, "");
        assert_eq!(
            resolve(Platform::Posix, &environment).path(),
            Path::new("/home/user/.spec-kitty")
        );
    }

    #[test]
    fn posix_defaults_to_home_and_then_to_the_password_database() {
        let environment = Environment::default().with(env::HOME, "/home/user");
        let root = resolve(Platform::Posix, &environment);
        assert_eq!(root.path(), Path::new("/home/user/.spec-kitty"));
        assert_eq!(root.source(), RootSource::PlatformDefault);
        let root = resolve(Platform::Posix, &Environment::default());
        assert_eq!(
            root.path(),
            Path::new("/password/database/directory/.spec-kitty")
        );
    }

    #[test]
    fn windows_defaults_to_local_application_data_and_ignores_home() {
        let environment = Environment::default().with(env::HOME, "/home/user");
        let root = resolve(Platform::Windows, &environment);
        assert_eq!(
            root.path(),
            Path::new("C:/Users/u/AppData/Local").join("spec-kitty")
        );
    }

    #[test]
    fn without_any_home_the_error_names_the_variable() {
        let error = RuntimeRoot::resolve(Platform::Posix, &Environment::default(), NO_DIRECTORIES)
            .unwrap_err();
        assert!(error.to_string().contains("SPEC_KITTY_HOME"));
    }

    #[test]
    fn different_values_give_different_roots() {
        let first = Environment::default().with(env::SPEC_KITTY_HOME, "/one");
        let second = Environment::default().with(env::SPEC_KITTY_HOME, "/two");
        assert_ne!(
            resolve(Platform::Posix, &first),
            resolve(Platform::Posix, &second)
        );
    }
}

//! A snapshot of the environment.

use crate::env::{self, Variable};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

/// Holds the declared variables as they were when the snapshot was taken.
///
/// Passing a snapshot instead of reading the process environment keeps every decision below pure
/// and lets a test state its environment as a value.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    values: BTreeMap<&'static str, OsString>,
}

impl Environment {
    /// Reads every declared variable of this process.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the one reader of the process environment"
    )]
    pub fn from_process() -> Self {
        let values = env::ALL
            .iter()
            .filter_map(|variable| Some((variable.name, std::env::var_os(variable.name)?)))
            .collect();
        Self { values }
    }

    /// Builds a snapshot from pairs; the last value of a variable wins.
    #[must_use]
    pub fn from_pairs<V: Into<OsString>>(pairs: impl IntoIterator<Item = (Variable, V)>) -> Self {
        let values = pairs
            .into_iter()
            .map(|(name, value)| (name.name, value.into()))
            .collect();
        Self { values }
    }

    /// Returns a copy with one variable set.
    #[must_use]
    pub fn with(mut self, variable: Variable, value: impl Into<OsString>) -> Self {
        self.values.insert(variable.name, value.into());
        self
    }

    /// Returns the raw value, also when it is empty.
    #[must_use]
    pub fn raw(&self, variable: Variable) -> Option<&OsStr> {
        self.values.get(variable.name).map(OsString::as_os_str)
    }

    /// Returns the raw value unless it is unset or empty.
    #[must_use]
    pub fn non_empty(&self, variable: Variable) -> Option<&OsStr> {
        self.raw(variable).filter(|value| !value.is_empty())
    }

    /// Returns the trimmed text unless it is unset, blank or not Unicode.
    #[must_use]
    pub fn text(&self, variable: Variable) -> Option<&str> {
        self.raw(variable)?
            .to_str()
            .map(str::trim)
            .filter(|value| !value.is_empty())
    }

    /// Tells whether the value is one of `1 true yes y on`, in any case and trimmed.
    ///
    /// Everything else is false, including an empty value and garbage (082 contract).
    #[must_use]
    pub fn is_truthy(&self, variable: Variable) -> bool {
        const TRUTHY: [&str; 5] = ["1", "true", "yes", "y", "on"];
        self.text(variable).is_some_and(|value| {
            TRUTHY
                .iter()
                .any(|truthy| value.eq_ignore_ascii_case(truthy))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_five_words_are_truthy_in_any_case_and_trimmed() {
        for value in ["1", "true", "TRUE", " yes ", "Y", "on", "On\n"] {
            let environment = Environment::default().with(env::SPEC_KITTY_QUIET, value);
            assert!(environment.is_truthy(env::SPEC_KITTY_QUIET), "{value:?}");
        }
        for value in [
            "", " ", "0", "false", "no", "off", "2", "enabled", "ja", "\u{ff11}",
        ] {
            let environment = Environment::default().with(env::SPEC_KITTY_QUIET, value);
            assert!(!environment.is_truthy(env::SPEC_KITTY_QUIET), "{value:?}");
        }
        assert!(!Environment::default().is_truthy(env::SPEC_KITTY_QUIET));
    }

    #[test]
    fn an_empty_variable_is_raw_but_not_non_empty() {
        let environment = Environment::default().with(env::SPEC_KITTY_HOME, "");
        assert!(environment.raw(env::SPEC_KITTY_HOME).is_some());
        assert!(environment.non_empty(env::SPEC_KITTY_HOME).is_none());
    }
}

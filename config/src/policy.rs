//! The stealth gate: whether hosted sync exists on this machine at all (document 2).

use crate::env;
use crate::environment::Environment;

/// The exact sentence of a machine that has not opted in (082 contract).
pub const DISABLED_MESSAGE: &str = "Hosted SaaS sync is not enabled on this machine. \
     Set `SPEC_KITTY_ENABLE_SAAS_SYNC=1` to opt in.";

/// Whether hosted sync is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostedSync {
    /// Off and invisible: no socket, no daemon, no file under the state root.
    Off {
        /// The variable that decides, for diagnostics.
        because: &'static str,
    },
    /// The machine has opted in.
    On,
}

impl HostedSync {
    /// Decides from the environment; the only place that does, evaluated per call.
    #[must_use]
    pub fn decide(environment: &Environment) -> Self {
        for disable in [
            env::SPEC_KITTY_SYNC_DISABLE,
            env::SPEC_KITTY_SYNC_MINIMAL_IMPORT,
        ] {
            if environment.is_truthy(disable) {
                return Self::Off {
                    because: disable.name,
                };
            }
        }
        if environment.is_truthy(env::SPEC_KITTY_ENABLE_SAAS_SYNC) {
            Self::On
        } else {
            Self::Off {
                because: env::SPEC_KITTY_ENABLE_SAAS_SYNC.name,
            }
        }
    }

    /// Tells whether the machine has opted in.
    #[must_use]
    pub const fn is_on(self) -> bool {
        matches!(self, Self::On)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn off_unless_opted_in_and_off_again_when_disabled() {
        let on = Environment::default().with(env::SPEC_KITTY_ENABLE_SAAS_SYNC, " Yes ");
        assert!(HostedSync::decide(&on).is_on());
        assert!(!HostedSync::decide(&Environment::default()).is_on());
        let disabled = on.clone().with(env::SPEC_KITTY_SYNC_DISABLE, "1");
        assert_eq!(
            HostedSync::decide(&disabled),
            HostedSync::Off {
                because: "SPEC_KITTY_SYNC_DISABLE"
            }
        );
        let minimal = on.with(env::SPEC_KITTY_SYNC_MINIMAL_IMPORT, "true");
        assert!(!HostedSync::decide(&minimal).is_on());
    }
}

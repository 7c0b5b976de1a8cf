//! Delivery targets: which Teamspace of which account on which server.

use crate::record::CaptureScope;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// One place that may receive a scope's events, and for which answers are remembered.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliveryTarget {
    /// The server's address, without a trailing slash.
    pub server: String,
    /// The account's user id on that server.
    pub account: String,
    /// The id of the account's Private Teamspace.
    pub team: String,
}

/// The key of a target in the mailbox: 16 bytes of a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetKey(pub [u8; 16]);

impl DeliveryTarget {
    /// Returns the key of this target.
    #[must_use]
    pub fn key(&self) -> TargetKey {
        TargetKey(digest(&self.server, &self.account, &self.team))
    }

    /// Tells whether a record may be sent here.
    ///
    /// It may when it was captured for this team, for this account before the team was known, or
    /// while nobody was logged in. What was captured for somebody else is never sent (canary
    /// scenario 2); it is held and shown.
    #[must_use]
    pub fn accepts(&self, scope: CaptureScope) -> bool {
        scope == CaptureScope::NOBODY
            || scope == CaptureScope(digest(&self.server, &self.account, &self.team))
            || scope == CaptureScope(digest(&self.server, &self.account, ""))
    }
}

impl CaptureScope {
    /// Computes the scope of what is captured while an account is logged in.
    #[must_use]
    pub fn of(server: &str, account: &str, team: Option<&str>) -> Self {
        Self(digest(server, account, team.unwrap_or_default()))
    }
}

fn digest(server: &str, account: &str, team: &str) -> [u8; 16] {
    let joined = [
        server.trim().trim_end_matches('/'),
        account.trim(),
        team.trim(),
    ]
    .join("\0");
    let hash = Sha256::digest(joined.as_bytes());
    hash[..16].try_into().expect("a digest has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_accepts_its_own_its_accounts_and_nobodys_records_and_no_others() {
        let target = DeliveryTarget {
            server: "https://a.example".to_owned(),
            account: "u-1".to_owned(),
            team: "t-1".to_owned(),
        };
        let scope = CaptureScope::of;
        assert!(target.accepts(CaptureScope::NOBODY));
        assert!(target.accepts(scope("https://a.example/", "u-1", Some("t-1"))));
        assert!(target.accepts(scope("https://a.example", "u-1", None)));
        assert!(!target.accepts(scope("https://a.example", "u-1", Some("t-2"))));
        assert!(!target.accepts(scope("https://a.example", "u-2", Some("t-1"))));
        assert!(!target.accepts(scope("https://a.example", "u-2", None)));
        assert!(!target.accepts(scope("https://b.example", "u-1", Some("t-1"))));
    }
}

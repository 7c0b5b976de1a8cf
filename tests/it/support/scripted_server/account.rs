//! The login side of the honest Teamspace: one account and its tokens.

use super::{Answer, Received};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The account that the honest Teamspace knows.
#[derive(Debug, Clone)]
pub(super) struct Account {
    pub(super) user_id: String,
    pub(super) teams: Vec<Value>,
    pub(super) access_tokens: BTreeSet<String>,
    pub(super) refresh_token: String,
    pub(super) renewals: u64,
    pub(super) revoked: Vec<String>,
}

impl Account {
    pub(super) fn knows(&self, request: &Received) -> bool {
        request
            .token()
            .is_some_and(|token| self.access_tokens.contains(token))
    }

    pub(super) fn renew(&mut self, request: &Received) -> Answer {
        if request.field("refresh_token").as_deref() != Some(&self.refresh_token) {
            return Answer::json(400, &json!({"error": "invalid_grant"}));
        }
        self.renewals += 1;
        self.refresh_token = format!("s3cret-refresh-{}", self.renewals);
        let access_token = format!("s3cret-access-{}", self.renewals);
        self.access_tokens = BTreeSet::from([access_token.clone()]);
        Answer::json(
            200,
            &json!({
                "access_token": access_token, "refresh_token": self.refresh_token,
                "expires_in": 3600, "token_type": "Bearer", "generation": self.renewals,
            }),
        )
    }

    pub(super) fn revoke(&mut self, request: &Received) -> Answer {
        self.revoked.extend(request.field("token"));
        Answer::json(200, &json!({"revoked": true}))
    }
}

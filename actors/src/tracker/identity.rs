//! The identity that a bind sends: five fields, and nothing else can be in it.
//!
//! The vendored contract describes the five fields but lets others pass, so the shape is held here:
//! only a [`BindIdentity`] can pass the gate, and only what passed can be sent.

use crate::gate::gated::Gated;
use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;

/// What the server learns about a project that is bound (document 4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BindIdentity {
    /// The project.
    pub uuid: String,
    /// Its name.
    pub slug: String,
    /// The machine.
    pub node_id: String,
    /// `owner/repository` of its origin, if it has one.
    pub repo_slug: Option<String>,
    /// The checkout.
    pub build_id: String,
}

impl BindIdentity {
    /// Renders it for the gate.
    pub(super) fn to_bytes(&self) -> Bytes {
        let json = serde_json::to_vec(self).expect("five texts can be written as JSON");
        Bytes::from(json)
    }
}

/// An identity that the gate let pass; only the client of the tracker makes one.
#[derive(Debug, Clone)]
pub struct GatedIdentity(Gated<Bytes>);

impl GatedIdentity {
    pub(super) const fn new(gated: Gated<Bytes>) -> Self {
        Self(gated)
    }

    /// Returns it as it is sent.
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(self.0.get()).expect("the gate lets pass JSON only")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kitty_contract::{Context, Gate};
    use serde_json::json;

    fn identity() -> BindIdentity {
        BindIdentity {
            uuid: "11111111-2222-4333-8444-555555555555".to_owned(),
            slug: "demo".to_owned(),
            node_id: "abcdefabcdef".to_owned(),
            repo_slug: None,
            build_id: "66666666-7777-4888-9999-aaaaaaaaaaaa".to_owned(),
        }
    }

    #[test]
    fn it_has_exactly_the_fields_of_the_contract_and_the_gate_misses_each_one() {
        let sent: Value = serde_json::from_slice(&identity().to_bytes()).unwrap();
        let names: Vec<&String> = sent.as_object().unwrap().keys().collect();
        assert_eq!(names, ["build_id", "node_id", "repo_slug", "slug", "uuid"]);
        let gate = Gate::vendored();
        gate.check(Context::TrackerBind, &sent).unwrap();
        for name in ["uuid", "slug", "node_id", "build_id"] {
            let mut without = sent.clone();
            without[name] = json!(null);
            let refused = gate.check(Context::TrackerBind, &without);
            assert!(refused.is_err(), "{name}");
        }
    }
}

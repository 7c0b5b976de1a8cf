//! The branch block of the planning answers: the same facts under every name that agents read.

use serde::ser::SerializeMap;
use serde_json::json;

/// On which branch a mission is planned and what is checked out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BranchBlock {
    /// What is checked out where the command was started.
    pub(super) current: String,
    /// The mission's target branch.
    pub(super) target: String,
    /// UTC to the second, ending in `Z`.
    pub(super) now: String,
}

impl BranchBlock {
    /// Writes the keys in today's order (transcript row 3).
    pub(super) fn write<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        let (current, target) = (&self.current, &self.target);
        let matches = current == target;
        let summary = format!(
            "The mission is planned on {target}, its base branch is {target}, and finished work is merged into {target}."
        );
        for (key, value) in [
            ("current_branch", current),
            ("CURRENT_BRANCH", current),
            ("target_branch", target),
            ("base_branch", target),
            ("TARGET_BRANCH", target),
            ("BASE_BRANCH", target),
            ("planning_base_branch", target),
            ("PLANNING_BASE_BRANCH", target),
            ("merge_target_branch", target),
            ("MERGE_TARGET_BRANCH", target),
            ("EXPECTED_TARGET_BRANCH", target),
            ("EXPECTED_BASE_BRANCH", target),
        ] {
            map.serialize_entry(key, value)?;
        }
        map.serialize_entry("branch_matches_target", &matches)?;
        map.serialize_entry("BRANCH_MATCHES_TARGET", &matches)?;
        map.serialize_entry("branch_strategy_summary", &summary)?;
        map.serialize_entry(
            "runtime_vars",
            &Ordered(&[
                ("now_utc_iso", json!(self.now)),
                ("current_branch", json!(current)),
                ("target_branch", json!(target)),
                ("base_branch", json!(target)),
                ("planning_base_branch", json!(target)),
                ("merge_target_branch", json!(target)),
                ("branch_matches_target", json!(matches)),
                ("branch_strategy_summary", json!(summary)),
            ]),
        )?;
        map.serialize_entry("NOW_UTC_ISO", &self.now)?;
        map.serialize_entry(
            "branch_context",
            &Ordered(&[
                ("current_branch", json!(current)),
                ("target_branch", json!(target)),
                ("base_branch", json!(target)),
                ("planning_base_branch", json!(target)),
                ("merge_target_branch", json!(target)),
                ("expected_checkout_branch", json!(target)),
                ("matches_target", json!(matches)),
                ("branch_strategy_summary", json!(summary)),
            ]),
        )
    }
}

/// An object whose keys keep their order.
struct Ordered<'a>(&'a [(&'static str, serde_json::Value)]);

impl serde::Serialize for Ordered<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

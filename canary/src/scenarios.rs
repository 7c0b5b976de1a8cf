//! The four scenarios of document 5 (reference A3).

mod fresh;
mod legacy;
mod owner;
mod rejection;

use crate::result::Scenario;
use crate::scene::{Failing, Scene};

/// Runs a scenario to its end.
pub(crate) fn run(scene: &mut Scene<'_>) -> Result<(), Failing> {
    match scene.scenario {
        Scenario::FreshMission => fresh::run(scene),
        Scenario::LegacyRows => legacy::run(scene),
        Scenario::OwnerMismatch => owner::run(scene),
        Scenario::Rejection => rejection::run(scene),
    }
}

//! Planning between a mission's creation and its first work package: the plan is scaffolded and
//! committed ([`setup_plan`]), the work packages are checked, seeded and committed ([`finalize`]).
//!
//! Source: reference orchestrator-missions, section 4.2.

mod branch_block;
mod change;
mod error;
pub mod finalize;
mod place;
mod setup;

mod substance;

pub use error::PlanError;
pub use setup::{PlanAnswer, PlanOutcome, PlanStanding, setup_plan};

/// The templates of `plan.md` by mission type.
fn plan_template(mission_type: &str) -> &'static str {
    match mission_type {
        "documentation" => include_str!("../templates/plan-documentation.md"),
        "research" => include_str!("../templates/plan-research.md"),
        "plan" => include_str!("../templates/plan-plan.md"),
        _ => include_str!("../templates/plan.md"),
    }
}

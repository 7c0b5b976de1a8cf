//! The orchestrator API: the recorded scenario, its refusals, its effects in git, real orchestrators.

pub mod course;
pub mod fixture;
mod hostile;
mod killed;
mod normal_form;
mod reconciling;
mod refusals;
mod transcript;
mod usage;

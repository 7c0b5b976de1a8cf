//! The orchestrator API: the recorded scenario, its refusals, its effects in git, real orchestrators.

pub mod course;
mod edges;
pub mod fixture;
mod hostile;
mod killed;
mod meddling;
mod normal_form;
mod reconciling;
mod refusals;
mod transcript;
mod usage;

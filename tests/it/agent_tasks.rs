//! The commands that agents and people move a mission with: `agent tasks`, `agent status`, `status`,
//! `accept` and `merge`.

mod boards;
mod closing;
mod guards;
mod moves;
mod readiness;
mod rollback;
mod status_files;
mod subtasks;
pub mod table;
mod verdicts;

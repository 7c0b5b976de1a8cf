//! One file per command: its arguments, whose doc comments are its help, and what it does.

pub mod agent_status;
pub mod agent_tasks;
pub mod auth;
pub mod auth_doctor;
pub mod canary;
pub mod config;
pub mod daemon_doctor;
pub mod demo;
pub mod init;
pub mod mission_accept;
pub mod mission_create;
pub mod mission_finalize_tasks;
pub mod mission_merge;
pub mod mission_setup_plan;
pub mod orchestrator_api;
pub mod state_doctor;
pub mod status;
pub mod sync_consent;
pub mod sync_daemon;
pub mod sync_doctor;
pub mod sync_inspect;
pub mod sync_now;
pub mod sync_reconcile;
pub mod sync_status;
pub mod teamspace;
pub mod tracker;

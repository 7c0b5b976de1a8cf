//! Whole-program tests: one binary, one module per subject.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(
    unreachable_pub,
    reason = "modules of one test binary share their helpers"
)]

mod agent_tasks;
mod architecture;
mod auth;
mod bodies;
mod boundary;
mod canary;
mod capture;
mod conformance;
mod consent;
mod crash_points;
mod cutover;
mod daemon;
mod damage;
mod delivery;
mod doctors;
mod faults;
mod final_sync;
mod generated_pages;
mod json_answers;
mod local_commands;
mod mission_refusals;
mod orchestrator;
mod peers;
mod planning;
mod power_cut;
mod project_init;
mod quickstart;
mod readiness;
mod separation;
mod speed;
mod state_isolation;
mod stealth;
mod storm;
mod strict_json;
mod supervision;
mod support;
mod tracker;
mod upgrade;

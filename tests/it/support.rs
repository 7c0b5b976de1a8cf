//! What tests share.

pub mod crew;
pub mod daemons;
pub mod faulty_fs;
pub mod history;
pub mod killer;
pub mod missions;
pub mod pipeline;
pub mod power_cut_fs;
pub mod process;
pub mod sandbox;
pub mod scripted_server;
pub mod sessions;
pub mod teamspace;
pub mod terminal;
pub mod timing;
pub mod tree;
pub mod worker;

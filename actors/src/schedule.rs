//! When the background daemon does what: a pure core; its shell is the daemon's loop in the `cli`.

pub mod core;

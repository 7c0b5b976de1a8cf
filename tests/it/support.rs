//! What tests share.

pub mod faulty_fs;
pub mod pipeline;
pub mod power_cut_fs;
pub mod worker;

//! Mission files, the status log and git; no network, no printing.
//!
//! A *mission* is a directory below `kitty-specs/`: `meta.json` says what it is, `status.events.jsonl`
//! is the append-only truth about its work packages, the rest is written by people and agents. All of
//! it is kept in git.
//!
//! | To | Read |
//! |---|---|
//! | make projects and missions, and plan them | [`init`], [`create`], [`plan`] |
//! | find and list missions | [`handle`], [`board`], [`meta`] |
//! | know where work packages stand: a log is parsed, folded, and printed | [`status_log`], [`reducer`], [`snapshot`] |
//! | know what there is to do, in which order and where | [`work_package`], [`dependency_graph`], [`lanes_manifest`] |
//! | judge a move before its row is written | [`transition`], [`policy`] |
//! | take a work package through its life | [`workflow`], [`workspace`], [`integration`], [`status_writer`] |
//! | tell a Teamspace of it | [`events`], [`lifecycle`], [`row_witness`], [`unsent`] |
//! | know its artifacts, and what changed of them | [`dossier`] |
//! | know who works on what | [`project`], [`identity`], [`git`] |

pub mod board;
pub mod create;
pub mod dependency_graph;
pub mod dossier;
pub mod events;
pub mod files;
pub mod git;
pub mod handle;
pub mod identity;
pub mod init;
pub mod integration;
pub mod lane;
pub mod lanes_manifest;
pub mod lifecycle;
pub mod meta;
pub mod plan;
pub mod policy;
pub mod project;
pub mod reducer;
pub mod row_witness;
pub mod schema;
pub mod snapshot;
pub mod status_log;
pub mod status_writer;
mod template;
pub mod transition;
pub mod unsent;
pub mod work_package;
pub mod workflow;
pub mod workspace;

#[cfg(test)]
mod tests_support {
    //! Small things that several test modules need.
    use std::io::Write as _;
    use std::path::Path;

    /// Writes a file, replacing it.
    pub(crate) fn write(path: &Path, text: &str) {
        let mut file = std::fs::File::create(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }
}

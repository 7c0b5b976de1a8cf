//! Mission files, the status log and git; no network, no printing.
//!
//! A *mission* is a directory below `kitty-specs/`: `meta.json` says what it is, `status.events.jsonl`
//! is the append-only truth about its work packages, the rest is written by people and agents. All of
//! it is kept in git. This crate creates missions ([`create`]), lists them ([`board`]), folds the
//! status log ([`reducer`]), and tells who works on them ([`project`], [`identity`], [`git`]).

pub mod board;
pub mod create;
pub mod files;
pub mod git;
pub mod identity;
pub mod lane;
pub mod meta;
pub mod project;
pub mod reducer;
pub mod status_log;

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

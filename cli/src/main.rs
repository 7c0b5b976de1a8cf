//! The `spec-kitty` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    spec_kitty::run(std::env::args_os())
}

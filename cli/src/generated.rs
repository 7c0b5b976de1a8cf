//! Shell completions and manual pages, made from the command line's own description.

use crate::command_line;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::invocation::Invocation;
use clap_complete::Shell;
use kitty_config::policy::HostedSync;
use std::path::Path;

/// Prints the completions of a shell.
///
/// # Errors
/// Never; the signature is that of every command.
pub fn completions(invocation: &Invocation, shell: Shell) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    let mut description = described(invocation);
    clap_complete::generate(shell, &mut description, "spec-kitty", &mut script);
    invocation
        .printer
        .line(String::from_utf8_lossy(&script).trim_end());
    Ok(Exit::Success)
}

/// Describes the commands that this machine has.
fn described(invocation: &Invocation) -> clap::Command {
    command_line::description(HostedSync::decide(&invocation.environment))
}

/// Writes one manual page per command.
///
/// # Errors
/// [`Failure`] when the directory cannot be written.
pub fn manual(invocation: &Invocation, directory: &Path) -> Result<Exit, Failure> {
    std::fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(described(invocation), directory))
        .map_err(|error| {
            Failure::new(
                "manual_not_written",
                format!("{} could not be written: {error}", directory.display()),
            )
            .next("Choose a directory that you may write to.")
        })?;
    invocation
        .printer
        .line(format!("Manual pages written to {}", directory.display()));
    Ok(Exit::Success)
}

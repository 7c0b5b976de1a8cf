//! The description of the command line, and its parsing: the one place where commands come and go.
//!
//! The hosted commands are not hidden on a machine that has not opted in: they are not there. Help,
//! completions, manual pages and the parser all start from [`description`].

use crate::args::{Cli, Command, HostedCommand};
use clap::{CommandFactory as _, FromArgMatches as _, Subcommand as _};
use kitty_config::policy::HostedSync;
use std::ffi::OsString;

/// Describes the commands that exist on this machine.
pub fn description(hosted: HostedSync) -> clap::Command {
    let local = Cli::command();
    if hosted.is_on() {
        HostedCommand::augment_subcommands(local)
    } else {
        local
    }
}

/// Parses the arguments, the program's name first.
///
/// # Errors
/// What clap has to say, help and version included.
pub fn parse(arguments: &[OsString], hosted: HostedSync) -> Result<Cli, clap::Error> {
    let mut description = description(hosted);
    let mut matches = description.try_get_matches_from_mut(arguments)?;
    let is_hosted = matches
        .subcommand_name()
        .is_some_and(HostedCommand::has_subcommand);
    let parsed = if is_hosted {
        let quiet = matches.get_flag("quiet");
        HostedCommand::from_arg_matches_mut(&mut matches).map(|command| Cli {
            quiet,
            command: Command::Hosted(command),
        })
    } else {
        Cli::from_arg_matches_mut(&mut matches)
    };
    parsed.map_err(|error| error.format(&mut description))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFF: HostedSync = HostedSync::Off {
        because: "SPEC_KITTY_ENABLE_SAAS_SYNC",
    };

    fn parse_words(words: &[&str], hosted: HostedSync) -> Result<Cli, clap::Error> {
        let arguments: Vec<OsString> = words.iter().map(OsString::from).collect();
        parse(&arguments, hosted)
    }

    fn names(hosted: HostedSync) -> Vec<String> {
        let commands = description(hosted);
        let names = commands.get_subcommands().map(clap::Command::get_name);
        names.map(str::to_owned).collect()
    }

    #[test]
    fn the_hosted_commands_are_there_when_hosted_sync_is_on_and_only_then() {
        let (on, off) = (names(HostedSync::On), names(OFF));
        let more: Vec<&String> = on.iter().filter(|name| !off.contains(name)).collect();
        assert_eq!(more, ["tracker", "issue-search"]);
        for words in [
            &["spec-kitty", "tracker", "providers"][..],
            &[
                "spec-kitty",
                "issue-search",
                "--provider",
                "linear",
                "--query",
                "x",
            ],
        ] {
            let parsed = parse_words(words, HostedSync::On).unwrap();
            assert!(matches!(parsed.command, Command::Hosted(_)));
            let refused = parse_words(words, OFF).unwrap_err();
            assert_eq!(refused.kind(), clap::error::ErrorKind::InvalidSubcommand);
        }
    }

    #[test]
    fn local_commands_and_global_flags_are_parsed_either_way() {
        for hosted in [HostedSync::On, OFF] {
            let parsed = parse_words(&["spec-kitty", "--quiet", "status"], hosted).unwrap();
            assert!(parsed.quiet && matches!(parsed.command, Command::Status(_)));
        }
        let parsed = parse_words(
            &["spec-kitty", "tracker", "providers", "--quiet"],
            HostedSync::On,
        )
        .unwrap();
        assert!(parsed.quiet);
    }

    #[test]
    fn the_descriptions_are_consistent() {
        description(HostedSync::On).debug_assert();
        description(OFF).debug_assert();
    }
}

//! What is said about a command line that cannot be parsed.
//!
//! The words are those of the Python CLI, because programs show them. A hint is given when exactly
//! what was meant is near; the names that went away with the mission era are near to nothing.
//!
//! Source: reference orchestrator-missions, section 1.1.

use super::command::OrchestratorCommand;
use super::envelope::Refusal;
use crate::exit::Exit;
use clap::CommandFactory as _;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// How much two words must resemble one another for a hint, between 0 and 1.
const NEAR: f64 = 0.6;

/// Turns a parser's error into a refusal.
#[must_use]
pub fn refusal(error: &clap::Error) -> Refusal {
    Refusal::new("USAGE_ERROR", message(error)).ending(Exit::Refused)
}

fn message(error: &clap::Error) -> String {
    let argument = || context(error, ContextKind::InvalidArg);
    match error.kind() {
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            "Missing command.".to_owned()
        }
        ErrorKind::InvalidSubcommand => {
            unknown_command(&context(error, ContextKind::InvalidSubcommand))
        }
        ErrorKind::UnknownArgument => unknown_argument(error, &argument()),
        ErrorKind::MissingRequiredArgument => {
            format!("Missing option '{}'.", option(&argument()))
        }
        ErrorKind::TooManyValues => {
            format!("Option '{}' does not take a value.", option(&argument()))
        }
        ErrorKind::InvalidValue | ErrorKind::TooFewValues | ErrorKind::WrongNumberOfValues => {
            format!("Option '{}' requires an argument.", option(&argument()))
        }
        ErrorKind::InvalidUtf8 => "An argument is not valid UTF-8.".to_owned(),
        _ => first_line(error),
    }
}

fn unknown_command(name: &str) -> String {
    let command = OrchestratorCommand::command();
    let verbs = command.get_subcommands().map(clap::Command::get_name);
    let hint = nearest(name, verbs).map(|verb| format!(" Did you mean '{verb}'?"));
    format!("No such command '{name}'.{}", hint.unwrap_or_default())
}

fn unknown_argument(error: &clap::Error, argument: &str) -> String {
    if !argument.starts_with('-') || argument == "-" {
        return format!("Got unexpected extra argument(s) ({argument})");
    }
    let name = option(argument);
    let command = OrchestratorCommand::command();
    // An option of another verb is no hint: this one does not have it.
    let usage = match error.get(ContextKind::Usage) {
        Some(ContextValue::StyledStr(usage)) => usage.to_string(),
        _ => String::new(),
    };
    let is_asked =
        |verb: &&clap::Command| usage.split_whitespace().any(|word| word == verb.get_name());
    let options: Vec<String> = command
        .get_subcommands()
        .filter(is_asked)
        .flat_map(clap::Command::get_arguments)
        .filter_map(|known| known.get_long().map(|long| format!("--{long}")))
        .collect();
    let hint = nearest(name, options.iter().map(String::as_str))
        .map(|known| format!(" (Possible options: {known})"));
    format!("No such option: {name}{}", hint.unwrap_or_default())
}

/// Returns the name of an option without its value.
fn option(argument: &str) -> &str {
    let end = argument.find([' ', '=']).unwrap_or(argument.len());
    &argument[..end]
}

fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    known
        .map(|known| (strsim::normalized_damerau_levenshtein(&name, known), known))
        .filter(|(likeness, _)| *likeness >= NEAR)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, known)| known)
}

fn context(error: &clap::Error, kind: ContextKind) -> String {
    match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.first().cloned().unwrap_or_default(),
        _ => String::new(),
    }
}

fn first_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    fn said(words: &[&str]) -> String {
        let all = ["orchestrator-api"].iter().chain(words);
        message(&OrchestratorCommand::try_parse_from(all).unwrap_err())
    }

    #[test]
    fn every_way_to_be_wrong_has_its_words() {
        for (words, expected) in [
            (&[][..], "Missing command."),
            (&["--bogus"], "No such option: --bogus"),
            (&["--version"], "No such option: --version"),
            (
                &["append-history", "--polic", "x"],
                "No such option: --polic (Possible options: --policy)",
            ),
            (
                &["contract-version", "--missio", "x"],
                "No such option: --missio",
            ),
            (
                &["feature-state", "--mission", "x"],
                "No such command 'feature-state'.",
            ),
            (&["accept-feature"], "No such command 'accept-feature'."),
            (&["merge-feature"], "No such command 'merge-feature'."),
            (
                &["contract-versio"],
                "No such command 'contract-versio'. Did you mean 'contract-version'?",
            ),
            (&["mission-state"], "Missing option '--mission'."),
            (
                &["mission-state", "--feature", "x"],
                "No such option: --feature",
            ),
            (
                &["mission-state", "--missio", "x"],
                "No such option: --missio (Possible options: --mission)",
            ),
            (&["contract-version", "--json"], "No such option: --json"),
            (
                &["mission-state", "x", "--mission", "y"],
                "Got unexpected extra argument(s) (x)",
            ),
            (
                &["mission-state", "--mission"],
                "Option '--mission' requires an argument.",
            ),
            (
                &[
                    "transition",
                    "--mission",
                    "x",
                    "--wp",
                    "y",
                    "--actor",
                    "z",
                    "--to",
                    "done",
                    "--force=yes",
                ],
                "Option '--force' does not take a value.",
            ),
        ] {
            assert_eq!(said(words), expected, "{words:?}");
        }
    }

    #[test]
    fn an_option_takes_the_next_word_and_the_last_of_two_counts() {
        let words = [
            "orchestrator-api",
            "append-history",
            "--mission",
            "x",
            "--wp",
            "a",
            "--wp",
            "WP01",
            "--actor",
            "o",
            "--note",
            "--not-an-option",
        ];
        let parsed = OrchestratorCommand::try_parse_from(words).unwrap();
        let super::super::command::Verb::AppendHistory(args) = parsed.verb else {
            panic!("another verb");
        };
        assert_eq!(args.by.package.wp, "WP01");
        assert_eq!(args.note, "--not-an-option");
    }
}

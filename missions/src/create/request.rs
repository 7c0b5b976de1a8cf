//! What is asked for, checked before anything is touched.

use super::CreateError;
use crate::project::ProjectConfig;
use serde::Serialize;
use std::fmt;
use std::path::PathBuf;

/// The mission types that exist, in the order of today's messages.
pub const MISSION_TYPES: [&str; 4] = ["documentation", "plan", "research", "software-dev"];
/// The type of a mission when none is named.
const DEFAULT_TYPE: &str = "software-dev";
/// The longest slug: with `-<mid8>` it stays far below the 255 bytes of a directory name.
pub(super) const LONGEST_SLUG: usize = 200;

/// The options of `agent mission create`, as typed.
#[derive(Debug, Clone, Default)]
pub struct MissionOptions {
    /// The slug: kebab-case, a leading `NNN-` is dropped.
    pub slug: String,
    /// `--mission-type`.
    pub mission_type: Option<String>,
    /// `--target-branch`.
    pub target_branch: Option<String>,
    /// `--friendly-name`.
    pub friendly_name: Option<String>,
    /// `--purpose-tldr`.
    pub purpose_tldr: Option<String>,
    /// `--purpose-context`.
    pub purpose_context: Option<String>,
    /// `--topology`.
    pub topology: Option<String>,
    /// `--pr-bound`.
    pub pr_bound: bool,
    /// `--branch-strategy`.
    pub branch_strategy: Option<String>,
    /// `--start-branch`.
    pub start_branch: Option<String>,
    /// `--owned-checkout`.
    pub owned_checkout: Option<PathBuf>,
    /// `--retain-branches`.
    pub retain_branches: bool,
    /// `--retain-worktrees`.
    pub retain_worktrees: bool,
}

/// How the work of a mission is spread over branches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Topology {
    /// Everything on the target branch.
    SingleBranch,
    /// One branch and worktree per lane.
    Lanes,
}

impl fmt::Display for Topology {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::SingleBranch => "single_branch",
            Self::Lanes => "lanes",
        })
    }
}

/// The options after every check that needs neither files nor git.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) typed_slug: String,
    /// Without a leading `NNN-`.
    pub(super) human_slug: String,
    pub(super) mission_type: &'static str,
    pub(super) friendly_name: String,
    pub(super) purpose_tldr: String,
    pub(super) purpose_context: Option<String>,
    pub(super) topology: Option<Topology>,
    pub(super) start_branch: Option<String>,
    pub(super) target_branch: Option<String>,
    pub(super) pr_bound: bool,
    pub(super) branch_confirmed: bool,
    pub(super) retain_branches: bool,
    pub(super) retain_worktrees: bool,
}

impl Request {
    pub(super) fn check(
        options: &MissionOptions,
        config: &ProjectConfig,
    ) -> Result<Self, CreateError> {
        let human_slug = human_slug(&options.slug)?.to_owned();
        let friendly_name = match text("--friendly-name", options.friendly_name.as_deref())? {
            Some(name) => name,
            None => options.slug.replace('-', " "),
        };
        let purpose_tldr = text("--purpose-tldr", options.purpose_tldr.as_deref())?
            .unwrap_or_else(|| friendly_name.clone());
        let start_branch = branch("--start-branch", options.start_branch.as_deref())?;
        let target_branch = branch("--target-branch", options.target_branch.as_deref())?;
        if let (Some(start), Some(target)) = (&start_branch, &target_branch)
            && start != target
        {
            return Err(CreateError::BranchesDiffer {
                start: start.clone(),
                target: target.clone(),
            });
        }
        let confirmed = branch_confirmed(options.branch_strategy.as_deref())?;
        Ok(Self {
            typed_slug: options.slug.clone(),
            human_slug,
            mission_type: mission_type(options.mission_type.as_deref(), config)?,
            friendly_name,
            purpose_tldr,
            purpose_context: text("--purpose-context", options.purpose_context.as_deref())?,
            topology: topology(options.topology.as_deref())?,
            branch_confirmed: confirmed || start_branch.is_some(),
            start_branch,
            target_branch,
            pr_bound: options.pr_bound,
            retain_branches: options.retain_branches,
            retain_worktrees: options.retain_worktrees,
        })
    }
}

/// Checks the slug and drops a leading number.
fn human_slug(slug: &str) -> Result<&str, CreateError> {
    let part = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    if !slug.split('-').all(part) {
        return Err(CreateError::InvalidSlug {
            slug: slug.to_owned(),
        });
    }
    if slug.len() > LONGEST_SLUG {
        return Err(CreateError::SlugTooLong { length: slug.len() });
    }
    Ok(match slug.split_once('-') {
        Some((number, rest)) if number.len() == 3 && number.bytes().all(|b| b.is_ascii_digit()) => {
            rest
        }
        _ => slug,
    })
}

/// Makes one line of a text; given but blank is a mistake.
fn text(option: &'static str, given: Option<&str>) -> Result<Option<String>, CreateError> {
    let Some(given) = given else {
        return Ok(None);
    };
    let words: Vec<&str> = given.split_whitespace().collect();
    if words.is_empty() {
        return Err(CreateError::EmptyText { option });
    }
    Ok(Some(words.join(" ")))
}

fn branch(option: &'static str, given: Option<&str>) -> Result<Option<String>, CreateError> {
    let Some(name) = given.map(str::trim) else {
        return Ok(None);
    };
    if name.is_empty() {
        return Err(CreateError::EmptyText { option });
    }
    if !crate::git::is_branch_name(name) {
        return Err(CreateError::InvalidBranch {
            name: name.to_owned(),
        });
    }
    Ok(Some(name.to_owned()))
}

fn branch_confirmed(strategy: Option<&str>) -> Result<bool, CreateError> {
    match strategy.map(str::trim) {
        None => Ok(false),
        Some("already-confirmed") => Ok(true),
        Some(given) => Err(CreateError::UnknownBranchStrategy {
            given: given.to_owned(),
        }),
    }
}

fn topology(given: Option<&str>) -> Result<Option<Topology>, CreateError> {
    match given {
        None => Ok(None),
        Some("single_branch") => Ok(Some(Topology::SingleBranch)),
        Some("lanes") => Ok(Some(Topology::Lanes)),
        Some(other) => Err(CreateError::TopologyNotAvailable {
            given: other.to_owned(),
        }),
    }
}

/// Checks the type; a project that lists no types uses all of them.
fn mission_type(given: Option<&str>, config: &ProjectConfig) -> Result<&'static str, CreateError> {
    let given = given.unwrap_or(DEFAULT_TYPE);
    let known = MISSION_TYPES.into_iter().find(|known| *known == given);
    let known = known.ok_or_else(|| CreateError::UnknownType {
        given: given.to_owned(),
    })?;
    match &config.mission_type_activations {
        None => Ok(known),
        Some(activated) if activated.is_empty() => Err(CreateError::NoTypeActivated),
        Some(activated) if activated.iter().any(|name| name == known) => Ok(known),
        Some(activated) => Err(CreateError::TypeNotActivated {
            given: known,
            activated: activated.clone(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(options: MissionOptions) -> Result<Request, CreateError> {
        Request::check(&options, &ProjectConfig::default())
    }

    fn with_slug(slug: &str) -> MissionOptions {
        MissionOptions {
            slug: slug.to_owned(),
            ..MissionOptions::default()
        }
    }

    #[test]
    fn a_slug_is_kebab_case_and_loses_a_leading_number() {
        for (slug, human) in [
            ("user-auth", "user-auth"),
            ("a", "a"),
            ("9", "9"),
            ("fix-bug-123", "fix-bug-123"),
            ("068-demo-name", "demo-name"),
            ("068-069-x", "069-x"),
            ("0688-x", "0688-x"),
            ("068", "068"),
            ("user-auth-01m7xwte", "user-auth-01m7xwte"),
        ] {
            assert_eq!(check(with_slug(slug)).unwrap().human_slug, human);
        }
    }

    #[test]
    fn hostile_and_sloppy_slugs_are_refused_in_one_line_with_an_example() {
        for slug in [
            "",
            "-",
            "-a",
            "a-",
            "a--b",
            "User-Auth",
            "user_auth",
            "a b",
            "../x",
            "a/b",
            ".",
            "..",
            "a\nb",
            "a\0b",
            "--help",
            "ü",
            "a.b",
            "a\\b",
            "$(x)",
            "a;b",
            "\u{1b}[31m",
            "a ",
        ] {
            let error = check(with_slug(slug)).unwrap_err();
            let message = error.to_string();
            assert!(matches!(error, CreateError::InvalidSlug { .. }), "{slug:?}");
            assert!(message.contains("for example user-auth"), "{message}");
            assert!(!message.contains(char::is_control), "{message:?}");
        }
        let long = "a".repeat(5_000);
        assert!(matches!(
            check(with_slug(&long)),
            Err(CreateError::SlugTooLong { length: 5_000 })
        ));
        let error = check(with_slug(&"A".repeat(5_000))).unwrap_err();
        assert!(error.to_string().len() < 250);
    }

    #[test]
    fn the_texts_are_one_line_and_have_defaults() {
        let request = check(with_slug("001-foo-bar")).unwrap();
        assert_eq!(request.friendly_name, "001 foo bar");
        assert_eq!(request.purpose_tldr, "001 foo bar");
        assert_eq!(request.purpose_context, None);
        let request = check(MissionOptions {
            friendly_name: Some("  Ünï \t code\n😀 ".to_owned()),
            ..with_slug("x")
        })
        .unwrap();
        assert_eq!(request.friendly_name, "Ünï code 😀");
        assert_eq!(request.purpose_tldr, "Ünï code 😀");
        for option in ["--friendly-name", "--purpose-tldr", "--purpose-context"] {
            let blank = |name| (name == option).then(|| " \n".to_owned());
            let error = check(MissionOptions {
                friendly_name: blank("--friendly-name"),
                purpose_tldr: blank("--purpose-tldr"),
                purpose_context: blank("--purpose-context"),
                ..with_slug("x")
            })
            .unwrap_err();
            assert!(error.to_string().starts_with(option), "{error}");
        }
    }

    #[test]
    fn coordination_topologies_are_refused_with_the_alternatives() {
        for given in ["coord", "lanes_with_coord", "Lanes", ""] {
            let error = check(MissionOptions {
                topology: Some(given.to_owned()),
                ..with_slug("x")
            })
            .unwrap_err();
            assert!(
                error.to_string().ends_with("use single_branch or lanes"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_type_must_exist_and_be_activated_and_no_list_activates_all() {
        let ask = |given: &str, activated: Option<&[&str]>| {
            let config = ProjectConfig {
                mission_type_activations: activated
                    .map(|names| names.iter().map(|name| (*name).to_owned()).collect()),
                ..ProjectConfig::default()
            };
            mission_type(Some(given), &config)
        };
        for known in MISSION_TYPES {
            assert_eq!(ask(known, None).unwrap(), known);
        }
        assert!(matches!(
            ask("nope", None),
            Err(CreateError::UnknownType { .. })
        ));
        let error = ask("plan", Some(&[])).unwrap_err();
        assert_eq!(error.code(), Some("CHARTER_PACK_CONFIG_INVALID"));
        let error = ask("plan", Some(&["research", "custom"])).unwrap_err();
        assert!(
            error.to_string().contains("use one of research, custom"),
            "{error}"
        );
        assert_eq!(ask("research", Some(&["research"])).unwrap(), "research");
    }

    #[test]
    fn branch_options_must_name_one_valid_branch() {
        let ask = |start: Option<&str>, target: Option<&str>| {
            check(MissionOptions {
                start_branch: start.map(str::to_owned),
                target_branch: target.map(str::to_owned),
                ..with_slug("x")
            })
        };
        assert!(matches!(
            ask(Some("a"), Some("b")),
            Err(CreateError::BranchesDiffer { .. })
        ));
        for hostile in [
            "--force", "-x", "a b", "a..b", "a~1", "@{-1}", "x.lock", "a:b",
        ] {
            assert!(
                matches!(
                    ask(Some(hostile), None),
                    Err(CreateError::InvalidBranch { .. })
                ),
                "{hostile}"
            );
        }
        assert!(matches!(
            ask(None, Some(" ")),
            Err(CreateError::EmptyText { .. })
        ));
        assert!(ask(Some("x/y"), Some(" x/y ")).unwrap().branch_confirmed);
    }
}

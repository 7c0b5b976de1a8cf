//! What becomes of every row: one pass, no I/O.
//!
//! The newest release speaks first: it knows what was delivered, and for whom. Of two rows with one
//! key and the same content the second is a duplicate; with other content it is quarantined, because
//! nobody can tell which of the two is meant.

use super::event::Refusal;
use super::item::{Content, Item, Owner};
use kitty_config::queue_scope;
use kitty_runtime::id::ProjectUuid;
use kitty_runtime::legacy_files::LegacyKind;
use kitty_runtime::record::CaptureScope;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;

/// Who is logged in, as far as rows can name them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The server, without a trailing slash.
    pub server: String,
    /// The server's id of the user.
    pub user_id: String,
    /// The e-mail address.
    pub email: String,
    /// Id of the Private Teamspace.
    pub team: Option<String>,
    /// Every name of the Private Teamspace, its id included.
    pub team_names: Vec<String>,
}

/// What the person who upgrades decides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decisions {
    /// Who is logged in.
    pub account: Option<Account>,
    /// Owners whose rows are to be delivered as if they were captured by the account, as reports
    /// name them; `all` stands for everybody.
    pub adopt: Vec<String>,
}

/// What becomes of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It becomes a record of this project, for this scope.
    Import(ProjectUuid, CaptureScope),
    /// The same, of an owner whose rows the person who upgrades takes for theirs.
    Adopt(ProjectUuid, CaptureScope),
    /// Another row holds the same.
    Duplicate,
    /// A server said that it has it.
    Delivered,
    /// It is kept apart: it belongs to somebody else, or to nobody provable. The text names whom.
    Held(String),
    /// It cannot be delivered.
    Quarantine(Refusal),
}

/// Decides over rows that come newest release first.
#[must_use]
pub fn decide(items: &[Item], decisions: &Decisions) -> Vec<Fate> {
    let mut accepted: HashMap<&str, &str> = HashMap::new();
    let mut refused: HashMap<(&str, &str), ()> = HashMap::new();
    let mut fates = Vec::with_capacity(items.len());
    for item in items {
        let (key, print) = (item.key.as_str(), item.fingerprint.as_str());
        let fate = match accepted.get(key) {
            Some(known) if *known == print => Fate::Duplicate,
            Some(_) => Fate::Quarantine(Refusal {
                reason: "divergent_duplicate",
                detail: "another row has the same key and other content".to_owned(),
            }),
            None if refused.contains_key(&(key, print)) => Fate::Duplicate,
            None => of_first(item, decisions),
        };
        match &fate {
            Fate::Quarantine(_) => drop(refused.insert((key, print), ())),
            Fate::Duplicate => {}
            _ => drop(accepted.entry(key).or_insert(print)),
        }
        fates.push(fate);
    }
    fates
}

fn of_first(item: &Item, decisions: &Decisions) -> Fate {
    let (project, team) = match &item.content {
        Content::Event(Err(refusal)) | Content::Body(Err(refusal)) => {
            // What a server has needs no delivery, however it looks.
            return if item.delivered {
                Fate::Delivered
            } else {
                Fate::Quarantine(refusal.clone())
            };
        }
        Content::Event(Ok(sound)) => (sound.project, sound.team.as_deref()),
        Content::Body(Ok(sound)) => (sound.project, None),
    };
    if item.delivered {
        return Fate::Delivered;
    }
    match belongs(&item.owner, team, decisions) {
        Ok(scope) => Fate::Import(project, scope),
        Err(whom) if decisions.adopts(&whom) => Fate::Adopt(project, decisions.scope()),
        Err(whom) => Fate::Held(whom),
    }
}

impl Decisions {
    fn adopts(&self, whom: &str) -> bool {
        let named = |name: &String| name == whom || name == "all";
        self.adopt.iter().any(named)
    }

    /// The scope of the account; of nobody where nobody is logged in.
    fn scope(&self) -> CaptureScope {
        self.account
            .as_ref()
            .map_or(CaptureScope::NOBODY, |account| {
                CaptureScope::of(&account.server, &account.user_id, account.team.as_deref())
            })
    }
}

/// Finds the scope of a row, or whose it is instead.
fn belongs(
    owner: &Owner,
    team: Option<&str>,
    decisions: &Decisions,
) -> Result<CaptureScope, String> {
    let account = decisions.account.as_ref();
    let ours = decisions.scope();
    match owner {
        Owner::Withheld => Ok(CaptureScope::WITHHELD),
        Owner::BeforeOptIn => Err("before-opt-in".to_owned()),
        Owner::Nobody => match team.filter(|team| !matches!(*team, "" | "local")) {
            None => Ok(CaptureScope::NOBODY),
            Some(team)
                if account.is_some_and(|it| it.team_names.iter().any(|name| name == team)) =>
            {
                Ok(ours)
            }
            Some(team) => Err(format!("team:{team}")),
        },
        Owner::Scope(digest) if account.is_some_and(|it| it.has_digest(digest)) => Ok(ours),
        Owner::Scope(digest) => Err(format!("scope:{digest}")),
        Owner::Producer(token) if account.is_some_and(|it| it.has_token(token)) => Ok(ours),
        Owner::Producer(token) => Err(format!("producer:{token}")),
        Owner::Account {
            server,
            account: name,
            team,
        } => {
            let is_ours = account.is_some_and(|it| {
                let same = |one: &str, other: &str| one.eq_ignore_ascii_case(other);
                same(
                    it.server.trim_end_matches('/'),
                    server.trim_end_matches('/'),
                ) && (same(&it.user_id, name) || same(&it.email, name))
                    && it.team_names.iter().any(|known| known == team)
            });
            if is_ours {
                Ok(ours)
            } else {
                Err(format!("account:{name}@{server}"))
            }
        }
    }
}

impl Account {
    /// Tells whether a scoped queue is this account's: its name is a hash of server, address, team.
    fn has_digest(&self, digest: &str) -> bool {
        let teams = self.team_names.iter().map(|team| Some(team.as_str()));
        teams.chain([None]).any(|team| {
            let server = self.server.trim().trim_end_matches('/');
            let parts = [server, self.email.trim(), team.unwrap_or_default().trim()];
            let joined = parts.join("|").to_lowercase();
            let short = hex::encode(Sha256::digest(joined.as_bytes()));
            short[..16] == *digest || queue_scope(server, Some(&self.email), team) == digest
        })
    }

    /// Tells whether a journal of 3.2.4 to 3.2.6 is this account's.
    fn has_token(&self, token: &str) -> bool {
        let users = [&self.user_id, &self.email];
        let names: Vec<&str> = self
            .team_names
            .iter()
            .map(String::as_str)
            .chain([""])
            .collect();
        users.iter().any(|user| {
            names.iter().any(|team| {
                let raw = format!("{}|{}", user.trim(), team.trim()).to_lowercase();
                let safe = raw.chars().map(|letter| {
                    let kept = letter.is_ascii_alphanumeric() || "-_.".contains(letter);
                    if kept { letter } else { '_' }
                });
                let safe: String = safe.take(TOKEN_LENGTH).collect();
                safe.trim_matches('_') == token
            })
        })
    }
}

/// How many characters of a producer's token are in the name of its journal.
const TOKEN_LENGTH: usize = 64;

/// The order in which releases speak: newest first, and what names its owner before what does not.
#[must_use]
pub const fn rank(kind: LegacyKind) -> u8 {
    match kind {
        LegacyKind::ProjectStore => 0,
        LegacyKind::Journal => 1,
        LegacyKind::Scoped => 2,
        LegacyKind::Unscoped => 3,
    }
}

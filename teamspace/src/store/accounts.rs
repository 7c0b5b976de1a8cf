//! Accounts, teams and memberships.

use super::{Store, StoreError, Writing};
use crate::accounts::{Account, MEMBER, OWNER, Team};
use crate::secret::identifier;
use crate::time::Moment;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

/// An account to be made.
#[derive(Debug)]
pub(crate) struct AccountDraft {
    pub(crate) email: String,
    pub(crate) name: String,
    pub(crate) private_team: bool,
    pub(crate) shared_teams: Vec<TeamDraft>,
}

/// A shared team to be joined; made when no team has its slug.
#[derive(Debug)]
pub(crate) struct TeamDraft {
    pub(crate) slug: String,
    pub(crate) name: String,
}

/// Why an account was not made or changed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum AccountRefusal {
    EmailTaken,
    UnknownAccount,
    HasPrivateTeam,
    NotShareable { slug: String },
}

const ACCOUNT_TEAMS: &str = "SELECT t.team_id, t.name, t.slug, m.role, t.private_to IS NOT NULL \
     FROM memberships m JOIN teams t ON t.team_id = m.team_id \
     WHERE m.account_id = $1 ORDER BY m.joined_at, t.slug";

impl Store {
    /// Makes an account and joins its teams; all of it or nothing.
    pub(crate) async fn create_account(
        &self,
        draft: &AccountDraft,
        now: Moment,
    ) -> Result<Result<Account, AccountRefusal>, StoreError> {
        let mut writing = self.write().await?;
        if id_of(&mut writing, &draft.email).await?.is_some() {
            return Ok(Err(AccountRefusal::EmailTaken));
        }
        let id = insert_account(&mut writing, draft, now).await?;
        if draft.private_team {
            insert_private_team(&mut writing, &id, &draft.email, now).await?;
        }
        for team in &draft.shared_teams {
            if !join_shared_team(&mut writing, &id, team, now).await? {
                let slug = team.slug.clone();
                return Ok(Err(AccountRefusal::NotShareable { slug }));
            }
        }
        let account = load(&mut writing, &id).await?;
        writing.commit().await?;
        Ok(account.ok_or(AccountRefusal::UnknownAccount))
    }

    /// Gives an account that has none its Private Teamspace.
    pub(crate) async fn grant_private_team(
        &self,
        email: &str,
        now: Moment,
    ) -> Result<Result<Account, AccountRefusal>, StoreError> {
        let mut writing = self.write().await?;
        let Some(id) = id_of(&mut writing, email).await? else {
            return Ok(Err(AccountRefusal::UnknownAccount));
        };
        let before = load(&mut writing, &id).await?;
        if before.is_some_and(|account| account.private_team().is_some()) {
            return Ok(Err(AccountRefusal::HasPrivateTeam));
        }
        insert_private_team(&mut writing, &id, email, now).await?;
        let account = load(&mut writing, &id).await?;
        writing.commit().await?;
        Ok(account.ok_or(AccountRefusal::UnknownAccount))
    }

    /// Tells whether any account exists.
    pub(crate) async fn has_accounts(&self) -> Result<bool, StoreError> {
        let any: Option<i64> = sqlx::query_scalar("SELECT 1 FROM accounts LIMIT 1")
            .fetch_optional(self.read())
            .await?;
        Ok(any.is_some())
    }

    /// Finds an account by its id.
    pub(crate) async fn account(&self, id: &str) -> Result<Option<Account>, StoreError> {
        let mut connection = self.read().acquire().await?;
        load(&mut connection, id).await
    }

    /// Finds an account by its email, given in lower case.
    pub(crate) async fn account_by_email(
        &self,
        email: &str,
    ) -> Result<Option<Account>, StoreError> {
        let mut connection = self.read().acquire().await?;
        match id_of(&mut connection, email).await? {
            Some(id) => load(&mut connection, &id).await,
            None => Ok(None),
        }
    }

    /// Returns all accounts, ordered by email.
    pub(crate) async fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        let mut connection = self.read().acquire().await?;
        let ids: Vec<String> = sqlx::query_scalar("SELECT account_id FROM accounts ORDER BY email")
            .fetch_all(&mut *connection)
            .await?;
        let mut accounts = Vec::with_capacity(ids.len());
        for id in ids {
            accounts.extend(load(&mut connection, &id).await?);
        }
        Ok(accounts)
    }

    /// Finds the id of a team by its id or slug.
    pub(crate) async fn team_id(&self, id_or_slug: &str) -> Result<Option<String>, StoreError> {
        let found = sqlx::query_scalar("SELECT team_id FROM teams WHERE team_id = $1 OR slug = $1")
            .bind(id_or_slug)
            .fetch_optional(self.read())
            .await?;
        Ok(found)
    }
}

async fn id_of(
    connection: &mut SqliteConnection,
    email: &str,
) -> Result<Option<String>, StoreError> {
    let found = sqlx::query_scalar("SELECT account_id FROM accounts WHERE email = $1")
        .bind(email)
        .fetch_optional(connection)
        .await?;
    Ok(found)
}

async fn load(connection: &mut SqliteConnection, id: &str) -> Result<Option<Account>, StoreError> {
    let row = sqlx::query("SELECT email, name FROM accounts WHERE account_id = $1")
        .bind(id)
        .fetch_optional(&mut *connection)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let teams = sqlx::query(ACCOUNT_TEAMS)
        .bind(id)
        .fetch_all(connection)
        .await?;
    Ok(Some(Account {
        id: id.to_owned(),
        email: row.try_get(0)?,
        name: row.try_get(1)?,
        teams: teams.iter().map(team).collect::<Result<_, _>>()?,
    }))
}

fn team(row: &SqliteRow) -> Result<Team, sqlx::Error> {
    Ok(Team {
        id: row.try_get(0)?,
        name: row.try_get(1)?,
        slug: row.try_get(2)?,
        role: row.try_get(3)?,
        is_private_teamspace: row.try_get(4)?,
    })
}

async fn insert_account(
    writing: &mut Writing,
    draft: &AccountDraft,
    now: Moment,
) -> Result<String, StoreError> {
    let id = identifier("account")?;
    sqlx::query(
        "INSERT INTO accounts (account_id, email, name, created_at) VALUES ($1, $2, $3, $4)",
    )
    .bind(&id)
    .bind(&draft.email)
    .bind(&draft.name)
    .bind(now.millis())
    .execute(&mut **writing)
    .await?;
    Ok(id)
}

async fn insert_private_team(
    writing: &mut Writing,
    account_id: &str,
    email: &str,
    now: Moment,
) -> Result<(), StoreError> {
    let local_part = email.split('@').next().unwrap_or_default();
    let readable: String = local_part
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '-'
            }
        })
        .collect();
    let wanted = format!("{}-private", readable.trim_matches('-'));
    let id = identifier("team")?;
    let taken: Option<i64> = sqlx::query_scalar("SELECT 1 FROM teams WHERE slug = $1")
        .bind(&wanted)
        .fetch_optional(&mut **writing)
        .await?;
    let slug = match taken {
        None => wanted,
        // The id is random, so its end makes the slug unique.
        Some(_) => format!(
            "{wanted}-{}",
            id.chars().skip(5).take(8).collect::<String>()
        ),
    };
    sqlx::query(
        "INSERT INTO teams (team_id, slug, name, private_to, created_at) \
         VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(&id)
    .bind(&slug)
    .bind("Private Teamspace")
    .bind(account_id)
    .bind(now.millis())
    .execute(&mut **writing)
    .await?;
    insert_membership(writing, &id, account_id, OWNER, now).await
}

/// Joins a shared team; false when the slug is that of somebody's Private Teamspace.
async fn join_shared_team(
    writing: &mut Writing,
    account_id: &str,
    draft: &TeamDraft,
    now: Moment,
) -> Result<bool, StoreError> {
    let found = sqlx::query("SELECT team_id, private_to IS NOT NULL FROM teams WHERE slug = $1")
        .bind(&draft.slug)
        .fetch_optional(&mut **writing)
        .await?;
    let id = match found {
        Some(row) if row.try_get(1)? => return Ok(false),
        Some(row) => row.try_get(0)?,
        None => {
            let id = identifier("team")?;
            sqlx::query(
                "INSERT INTO teams (team_id, slug, name, private_to, created_at) \
                 VALUES ($1, $2, $3, NULL, $4)",
            )
            .bind(&id)
            .bind(&draft.slug)
            .bind(&draft.name)
            .bind(now.millis())
            .execute(&mut **writing)
            .await?;
            id
        }
    };
    insert_membership(writing, &id, account_id, MEMBER, now).await?;
    Ok(true)
}

async fn insert_membership(
    writing: &mut Writing,
    team_id: &str,
    account_id: &str,
    role: &str,
    now: Moment,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO memberships (team_id, account_id, role, joined_at) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (team_id, account_id) DO NOTHING",
    )
    .bind(team_id)
    .bind(account_id)
    .bind(role)
    .bind(now.millis())
    .execute(&mut **writing)
    .await?;
    Ok(())
}

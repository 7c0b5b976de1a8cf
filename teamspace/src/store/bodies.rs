//! Contents of artifacts: each content once, each place it was seen at once per team.

use super::{Store, StoreError};
use crate::time::Moment;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row as _, Sqlite};

/// A content that passed every check, ready to be stored.
#[derive(Debug)]
pub(crate) struct NewBody {
    pub(crate) project_uuid: String,
    pub(crate) mission_slug: String,
    pub(crate) target_branch: String,
    pub(crate) mission_type: String,
    pub(crate) manifest_version: String,
    pub(crate) artifact_path: String,
    /// Lower-case hexadecimal digits, verified.
    pub(crate) content_hash: String,
    pub(crate) build_id: Option<String>,
    pub(crate) content: String,
}

/// What became of a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    /// It is stored now.
    Stored,
    /// It was stored before.
    Already,
    /// No event has named it yet.
    NotIndexed,
}

/// Where a content was seen.
#[derive(Debug)]
pub(crate) struct BodyRow {
    pub(crate) sequence: i64,
    pub(crate) project_uuid: String,
    pub(crate) mission_slug: String,
    pub(crate) target_branch: String,
    pub(crate) mission_type: String,
    pub(crate) manifest_version: String,
    pub(crate) artifact_path: String,
    pub(crate) content_hash: String,
    pub(crate) size_bytes: i64,
    pub(crate) build_id: Option<String>,
    pub(crate) received_at: Moment,
}

impl Store {
    /// Stores a content of a team, if an event of the team has named it; returns after the commit.
    pub(crate) async fn keep_body(
        &self,
        team_id: &str,
        account_id: &str,
        now: Moment,
        body: &NewBody,
    ) -> Result<Kept, StoreError> {
        let mut writing = self.write().await?;
        // The hash is hexadecimal digits, so the pattern means itself.
        let indexed: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM (SELECT 1 FROM events WHERE team_id = $1 AND aggregate_id = $2 \
             AND event_type = 'MissionDossierArtifactIndexed' AND project_uuid = $3 \
             AND envelope LIKE '%' || $4 || '%' LIMIT 1)",
        )
        .bind(team_id)
        .bind(format!("{}:{}", body.mission_slug, body.artifact_path))
        .bind(&body.project_uuid)
        .bind(&body.content_hash)
        .fetch_one(&mut *writing)
        .await?;
        if indexed == 0 {
            return Ok(Kept::NotIndexed);
        }
        sqlx::query(
            "INSERT INTO contents (content_hash, content, size_bytes) VALUES ($1, $2, $3) \
             ON CONFLICT (content_hash) DO NOTHING",
        )
        .bind(&body.content_hash)
        .bind(&body.content)
        .bind(i64::try_from(body.content.len()).unwrap_or(i64::MAX))
        .execute(&mut *writing)
        .await?;
        let inserted = sqlx::query(
            "INSERT INTO bodies (team_id, project_uuid, mission_slug, target_branch, mission_type, \
                 manifest_version, artifact_path, content_hash, build_id, account_id, received_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING",
        )
        .bind(team_id)
        .bind(&body.project_uuid)
        .bind(&body.mission_slug)
        .bind(&body.target_branch)
        .bind(&body.mission_type)
        .bind(&body.manifest_version)
        .bind(&body.artifact_path)
        .bind(&body.content_hash)
        .bind(&body.build_id)
        .bind(account_id)
        .bind(now.millis())
        .execute(&mut *writing)
        .await?;
        writing.commit().await?;
        Ok(match inserted.rows_affected() {
            0 => Kept::Already,
            _ => Kept::Stored,
        })
    }

    /// Returns where contents were seen, in order of arrival.
    pub(crate) async fn bodies(
        &self,
        team_id: &str,
        project: Option<&str>,
        mission: Option<&str>,
        after: i64,
        limit: u32,
    ) -> Result<Vec<BodyRow>, StoreError> {
        let mut statement = select();
        statement.push(" WHERE b.team_id = ").push_bind(team_id);
        statement.push(" AND b.sequence > ").push_bind(after);
        if let Some(project) = project {
            statement.push(" AND b.project_uuid = ").push_bind(project);
        }
        if let Some(mission) = mission {
            statement.push(" AND b.mission_slug = ").push_bind(mission);
        }
        statement.push(" ORDER BY b.sequence LIMIT ");
        statement.push_bind(i64::from(limit));
        let rows = statement.build().fetch_all(self.read()).await?;
        Ok(rows.iter().map(body_row).collect::<Result<_, _>>()?)
    }

    /// Returns the latest places, newest first.
    pub(crate) async fn latest_bodies(
        &self,
        team_id: &str,
        limit: u32,
    ) -> Result<Vec<BodyRow>, StoreError> {
        let mut statement = select();
        statement.push(" WHERE b.team_id = ").push_bind(team_id);
        statement.push(" ORDER BY b.sequence DESC LIMIT ");
        statement.push_bind(i64::from(limit));
        let rows = statement.build().fetch_all(self.read()).await?;
        Ok(rows.iter().map(body_row).collect::<Result<_, _>>()?)
    }

    /// Returns hash and content of an artifact: the newest, or the one of this hash.
    pub(crate) async fn content(
        &self,
        team_id: &str,
        project: &str,
        mission: &str,
        path: &str,
        hash: Option<&str>,
    ) -> Result<Option<(String, String)>, StoreError> {
        let row = sqlx::query(
            "SELECT c.content_hash, c.content FROM bodies b \
             JOIN contents c ON c.content_hash = b.content_hash \
             WHERE b.team_id = $1 AND b.project_uuid = $2 AND b.mission_slug = $3 \
             AND b.artifact_path = $4 AND ($5 IS NULL OR b.content_hash = $5) \
             ORDER BY b.sequence DESC LIMIT 1",
        )
        .bind(team_id)
        .bind(project)
        .bind(mission)
        .bind(path)
        .bind(hash)
        .fetch_optional(self.read())
        .await?;
        let read = |row: SqliteRow| Ok::<_, sqlx::Error>((row.try_get(0)?, row.try_get(1)?));
        Ok(row.map(read).transpose()?)
    }
}

fn select() -> QueryBuilder<Sqlite> {
    QueryBuilder::new(
        "SELECT b.sequence, b.project_uuid, b.mission_slug, b.target_branch, b.mission_type, \
             b.manifest_version, b.artifact_path, b.content_hash, c.size_bytes, b.build_id, \
             b.received_at FROM bodies b JOIN contents c ON c.content_hash = b.content_hash",
    )
}

fn body_row(row: &SqliteRow) -> Result<BodyRow, sqlx::Error> {
    Ok(BodyRow {
        sequence: row.try_get(0)?,
        project_uuid: row.try_get(1)?,
        mission_slug: row.try_get(2)?,
        target_branch: row.try_get(3)?,
        mission_type: row.try_get(4)?,
        manifest_version: row.try_get(5)?,
        artifact_path: row.try_get(6)?,
        content_hash: row.try_get(7)?,
        size_bytes: row.try_get(8)?,
        build_id: row.try_get(9)?,
        received_at: Moment::from_millis(row.try_get(10)?),
    })
}

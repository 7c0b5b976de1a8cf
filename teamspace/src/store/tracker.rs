//! Trackers: resources, their issues, and what projects have to do with them.
//!
//! Every function takes a connection, because one request reads and writes several of these in one
//! transaction. Every statement is bound to one team, or to a resource that was found through one.

mod answers;
mod bindings;
mod issues;
mod mappings;
mod operations;
mod resources;

pub(crate) use answers::{KeptAnswer, answered, count_operations, keep_answer};
pub(crate) use bindings::{
    Binding, NewBinding, Routing, bind, binding, binding_of_project, bindings, disable_binding,
    note_pull,
};
pub(crate) use issues::{
    Issue, IssueFilter, change_issue, count_issues, insert_issue, issue, matching_issues,
    next_change, pulled_issues, recent_issues,
};
pub(crate) use mappings::{
    Mapping, NewOrigin, Origin, insert_origin, map_package, mappings, origin, origins,
};
pub(crate) use operations::{
    OperationRow, begin_operation, finish_operation, insert_operation, operation,
    unfinished_operations,
};
pub(crate) use resources::{Resource, put_resource, resource, resources};

use super::{Store, StoreError};
use sqlx::pool::PoolConnection;
use sqlx::{Sqlite, SqliteConnection};

/// A connection to the database, for reading or within a transaction.
pub(crate) type Connection = SqliteConnection;

impl Store {
    /// Returns a connection that can read.
    pub(crate) async fn reading(&self) -> Result<PoolConnection<Sqlite>, StoreError> {
        Ok(self.read().acquire().await?)
    }
}

/// Commits what was written; durable when it returns.
pub(crate) async fn commit(writing: super::Writing) -> Result<(), StoreError> {
    Ok(writing.commit().await?)
}

/// Returns a `LIKE` pattern that finds a text anywhere, whatever it contains.
fn anywhere(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

//! Operations: work that is answered with 202 and carried out afterwards.
//!
//! An operation is durable before its id is answered, and its effect and its result are one
//! transaction. What a stopped or killed server left is carried out when the next one starts.

use super::scope::Scope;
use super::view::iso;
use super::work::Assignment;
use crate::errors::ApiError;
use crate::state::State;
use crate::store::tracker::{self, OperationRow};
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};
use std::sync::Arc;

/// `GET operations/{id}/`: how far an operation of the team is.
pub(super) async fn show(
    state: Data<State>,
    request: HttpRequest,
    operation_id: Path<String>,
) -> Result<HttpResponse, ApiError> {
    let scope = Scope::begin(&state, &request).await?;
    let mut reading = state.store.reading().await?;
    let found = tracker::operation(&mut reading, &operation_id).await?;
    let operation = found.filter(|operation| operation.team_id == scope.team.id);
    let operation = operation.ok_or_else(|| {
        ApiError::not_found("operation_not_found", "the team has no such operation")
    })?;
    Ok(HttpResponse::Ok().json(view(&operation)))
}

fn view(operation: &OperationRow) -> Value {
    let mut body = json!({
        "operation_id": operation.operation_id,
        "status": operation.state,
        "created_at": iso(operation.created_at),
    });
    if let (Some(outcome), Some(finished)) = (&operation.outcome, operation.finished_at) {
        let member = if operation.state == "failed" {
            "error"
        } else {
            "result"
        };
        body[member] = serde_json::from_str(outcome).unwrap_or_default();
        body["finished_at"] = json!(iso(finished));
    }
    body
}

/// Carries out what an earlier server has left behind.
pub(crate) async fn resume(state: Arc<State>) {
    let unfinished = async {
        let mut reading = state.store.reading().await?;
        tracker::unfinished_operations(&mut reading).await
    };
    match unfinished.await {
        Ok(operations) => {
            for operation_id in operations {
                carry_out(state.clone(), operation_id).await;
            }
        }
        Err(error) => tracing::error!(%error, "operations of an earlier server are not known"),
    }
}

/// Carries out an operation; whatever happens is kept with it.
pub(super) async fn carry_out(state: Arc<State>, operation_id: String) {
    let failure = match attempt(&state, &operation_id).await {
        Ok(()) => return,
        Err(error) => Value::Object(error.body()).to_string(),
    };
    let outcome = ("failed", failure.as_str());
    let kept = async {
        let mut writing = state.store.write().await?;
        tracker::finish_operation(&mut writing, &operation_id, outcome, state.now()).await?;
        tracker::commit(writing).await
    };
    if let Err(error) = kept.await {
        // It stays unfinished, and the next server carries it out.
        tracing::warn!(%error, operation_id, "an operation could not be finished");
    }
}

async fn attempt(state: &State, operation_id: &str) -> Result<(), ApiError> {
    let mut writing = state.store.write().await?;
    tracker::begin_operation(&mut writing, operation_id).await?;
    tracker::commit(writing).await?;
    let mut writing = state.store.write().await?;
    let operation = tracker::operation(&mut writing, operation_id).await?;
    let Some(operation) = operation.filter(|operation| operation.finished_at.is_none()) else {
        return Ok(());
    };
    let assignment: Assignment =
        serde_json::from_str(&operation.request).map_err(|_| ApiError::internal())?;
    let now = state.now();
    tracing::debug!(
        operation_id,
        account_id = operation.account_id,
        "an operation runs"
    );
    let result = assignment
        .carry_out(&mut writing, &operation.team_id, now)
        .await?;
    let result = result.to_string();
    let outcome = ("completed", result.as_str());
    tracker::finish_operation(&mut writing, operation_id, outcome, now).await?;
    Ok(tracker::commit(writing).await?)
}

//! Writes: `push/`, `run/`, `bind-confirm/` and `mission-origin/bind/`.
//!
//! Each carries an `Idempotency-Key`. A key that was answered is answered the same again, whatever
//! the repetition contains; the answer is kept in the transaction of what it is about. A refusal is
//! not kept, because it changed nothing and its cause may go away.

use super::binding::{Project, confirm as bind};
use super::input::Input;
use super::operations;
use super::origin::Origin;
use super::provider::Provider;
use super::scope::{Route, Scope};
use super::work::{Assignment, Work};
use crate::errors::ApiError;
use crate::request::header;
use crate::secret::identifier;
use crate::state::State;
use crate::store::StoreError;
use crate::store::tracker::{self, Connection, KeptAnswer};
use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

/// The longest idempotency key, in bytes.
const LONGEST_KEY: usize = 512;

/// What is to be written, read and checked as far as that goes without the store.
enum Write {
    Work(Route, Work),
    Confirm(Provider, String, Project),
    Origin(Route, Box<Origin>),
}

/// What a write is answered with.
struct Done {
    status: StatusCode,
    body: Value,
    /// The operation that is to be carried out now.
    operation: Option<String>,
}

/// `POST push/`: changes issues.
pub(super) async fn push(
    state: Data<State>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    write(state, &request, payload, "push", |input, state| {
        Ok(Write::Work(
            Route::of_body(input)?,
            Work::push(input, &state.limits)?,
        ))
    })
    .await
}

/// `POST run/`: takes in what has changed since the last run.
pub(super) async fn run(
    state: Data<State>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    write(state, &request, payload, "run", |input, _| {
        Ok(Write::Work(Route::of_body(input)?, Work::run(input)?))
    })
    .await
}

/// `POST bind-confirm/`: binds a project to a candidate.
pub(super) async fn confirm(
    state: Data<State>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    write(state, &request, payload, "bind-confirm", |input, _| {
        let provider = Provider::requested(input.optional("provider")?)?;
        let token = input.required("candidate_token")?.to_owned();
        Ok(Write::Confirm(provider, token, Project::of(input)?))
    })
    .await
}

/// `POST mission-origin/bind/`: keeps the issue a mission began with; another one is a conflict.
pub(super) async fn origin(
    state: Data<State>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    write(
        state,
        &request,
        payload,
        "mission-origin/bind",
        |input, _| {
            let origin = Origin::read(input)?;
            Ok(Write::Origin(Route::of_body(input)?, Box::new(origin)))
        },
    )
    .await
}

async fn write(
    state: Data<State>,
    request: &HttpRequest,
    payload: Payload,
    endpoint: &'static str,
    read: impl FnOnce(&Input, &State) -> Result<Write, ApiError>,
) -> Result<HttpResponse, ApiError> {
    let scope = Scope::begin(&state, request).await?;
    let key = idempotency_key(request)?;
    let input = Input::receive(&state, request, payload).await?;
    let write = read(&input, &state)?;
    let kept = KeptAnswer {
        account_id: &scope.account.id,
        team_id: &scope.team.id,
        endpoint,
        key,
    };
    let mut writing = state.store.write().await?;
    if let Some((status, body)) = tracker::answered(&mut writing, kept).await? {
        let status = u16::try_from(status)
            .ok()
            .and_then(|code| StatusCode::from_u16(code).ok());
        return Ok(respond(status.unwrap_or(StatusCode::OK), body));
    }
    let done = write.carry_out(&mut writing, &state, &scope).await?;
    let body = done.body.to_string();
    let answer = (i64::from(done.status.as_u16()), body.as_str());
    tracker::keep_answer(&mut writing, kept, answer, state.now()).await?;
    tracker::commit(writing).await?;
    if let Some(operation_id) = done.operation {
        tokio::spawn(operations::carry_out(
            state.clone().into_inner(),
            operation_id,
        ));
    }
    Ok(respond(done.status, body))
}

fn respond(status: StatusCode, body: String) -> HttpResponse {
    HttpResponse::build(status)
        .content_type("application/json")
        .body(body)
}

fn idempotency_key(request: &HttpRequest) -> Result<&str, ApiError> {
    let key = header(request, "idempotency-key").filter(|key| !key.is_empty());
    key.filter(|key| key.len() <= LONGEST_KEY).ok_or_else(|| {
        ApiError::invalid(
            "idempotency_key_required",
            "a write needs an Idempotency-Key of at most 512 printable characters, a new one for \
             each operation",
        )
    })
}

impl Write {
    async fn carry_out(
        self,
        connection: &mut Connection,
        state: &State,
        scope: &Scope,
    ) -> Result<Done, ApiError> {
        match self {
            Self::Work(route, work) => assign(connection, state, scope, &route, work).await,
            Self::Confirm(provider, token, project) => {
                let body = bind(connection, state, scope, provider, &token, &project).await?;
                Ok(done(body))
            }
            Self::Origin(route, origin) => {
                Ok(done(origin.keep(connection, state, scope, &route).await?))
            }
        }
    }
}

fn done(body: Value) -> Done {
    Done {
        status: StatusCode::OK,
        body,
        operation: None,
    }
}

/// Does small work at once and records larger work as an operation.
async fn assign(
    connection: &mut Connection,
    state: &State,
    scope: &Scope,
    route: &Route,
    work: Work,
) -> Result<Done, ApiError> {
    let binding = route.binding(connection, &scope.team.id).await?;
    let now = state.now();
    let size = work.size(connection, &binding).await?;
    let assignment = Assignment::new(route.provider, &binding, work);
    let at_once = state.limits.max_inline_tracker_items;
    if at_once.is_some_and(|most| size <= most) {
        let result = assignment
            .carry_out(connection, &scope.team.id, now)
            .await?;
        return Ok(done(result));
    }
    let operation_id = identifier("operation").map_err(StoreError::from)?;
    let request = serde_json::to_string(&assignment).map_err(|_| ApiError::internal())?;
    let owner = (scope.team.id.as_str(), scope.account.id.as_str());
    tracker::insert_operation(connection, &operation_id, owner, &request, now).await?;
    Ok(Done {
        status: StatusCode::ACCEPTED,
        body: json!({"operation_id": operation_id, "status": "pending"}),
        operation: Some(operation_id),
    })
}

//! `POST /api/dossier/push-content/`: one content (reference 6).

use crate::errors::ApiError;
use crate::identity::Caller;
use crate::ingress::{private_team, require_protocol};
use crate::request::{BodyError, RawBody, announced_bytes};
use crate::state::State;
use crate::store::{Kept, NewBody};
use actix_web::http::StatusCode;
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use kitty_contract::{Context, Gate};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

/// The largest content, in bytes.
const LARGEST: usize = 512 * 1024;
/// What JSON may make of it at most (`\u0001` for one byte), and the fields beside it.
const MOST_BYTES: usize = LARGEST * 6 + 64 * 1024;
/// The longest of the other fields, in bytes.
const LONGEST: usize = 4096;

/// Receives a content; answers after it is stored.
pub(super) async fn receive(
    state: Data<State>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let caller = Caller::identify(&state, &request).await?;
    require_protocol(&request)?;
    let most = MOST_BYTES.min(state.limits.max_body_bytes);
    let announced = announced_bytes(&request).unwrap_or(most).min(most);
    let room = state.room_for_body(announced).await;
    let _room =
        room.ok_or_else(|| ApiError::busy("too many contents arrive at once; try again"))?;
    let body = RawBody::receive(&request, payload, most, &state.limits).await;
    let body = body.and_then(|body| body.unpack(most));
    let bytes = body.map_err(|error| unusable(&error))?;
    let body = read(&bytes)?;
    let team = private_team(&caller.account).map_err(|error| echo(error, &body))?;
    let kept = state
        .store
        .keep_body(&team.id, &caller.account.id, state.now(), &body)
        .await?;
    let answer = |status: &str| {
        json!({
            "status": status,
            "artifact_path": body.artifact_path,
            "content_hash": body.content_hash,
        })
    };
    match kept {
        Kept::Stored => Ok(HttpResponse::Created().json(answer("stored"))),
        Kept::Already => Ok(HttpResponse::Ok().json(answer("already_exists"))),
        Kept::NotIndexed => Err(echo(not_indexed(), &body)),
    }
}

fn not_indexed() -> ApiError {
    let message = "no event of this team has named this content yet; send it again after the \
                   MissionDossierArtifactIndexed event";
    ApiError::not_found("index_entry_not_found", message).with("detail", json!(message))
}

/// Says which content an answer is about, so that a client believes it.
fn echo(error: ApiError, body: &NewBody) -> ApiError {
    error
        .with("artifact_path", json!(body.artifact_path))
        .with("content_hash", json!(body.content_hash))
}

/// Reads the request and verifies the content against its hash.
fn read(bytes: &[u8]) -> Result<NewBody, ApiError> {
    let Ok(Value::Object(mut fields)) = serde_json::from_slice(bytes) else {
        return Err(invalid("the body is not a JSON object"));
    };
    Gate::vendored()
        .check_bytes(Context::BodySync, bytes)
        .map_err(|violation| invalid(violation.to_string()))?;
    let content = match fields.remove("content_body") {
        Some(Value::String(content)) if content.len() <= LARGEST => content,
        Some(Value::String(_)) => {
            return Err(invalid(format!("content_body: more than {LARGEST} bytes")));
        }
        _ => return Err(invalid("content_body: a text is required")),
    };
    if text(&fields, "hash_algorithm")? != "sha256" {
        return Err(invalid("hash_algorithm: only sha256 is known"));
    }
    let content_hash = text(&fields, "content_hash")?;
    if content_hash != hex::encode(Sha256::digest(content.as_bytes())) {
        return Err(invalid("content_hash: it is not the hash of content_body"));
    }
    let artifact_path = text(&fields, "artifact_path")?;
    if !is_inside(&artifact_path) {
        return Err(invalid("artifact_path: it must be relative to the mission"));
    }
    Ok(NewBody {
        project_uuid: text(&fields, "project_uuid")?.to_ascii_lowercase(),
        mission_slug: text(&fields, "mission_slug")?,
        target_branch: text(&fields, "target_branch")?,
        mission_type: text(&fields, "mission_type")?,
        manifest_version: text(&fields, "manifest_version")?,
        build_id: fields
            .get("build_id")
            .and_then(Value::as_str)
            .filter(|build| !build.is_empty() && build.len() <= LONGEST)
            .map(str::to_owned),
        artifact_path,
        content_hash,
        content,
    })
}

fn text(fields: &Map<String, Value>, name: &str) -> Result<String, ApiError> {
    let value = fields.get(name).and_then(Value::as_str);
    value
        .filter(|text| !text.trim().is_empty() && text.len() <= LONGEST)
        .map(str::to_owned)
        .ok_or_else(|| invalid(format!("{name}: a text is required")))
}

fn is_inside(path: &str) -> bool {
    let strange = |part: &str| matches!(part, "" | "." | "..");
    !path.split('/').any(strange) && !path.contains(['\\', '\0'])
}

/// Refuses a request that no repetition makes better, in the words that clients read.
fn invalid(detail: impl Into<String>) -> ApiError {
    let detail = detail.into();
    let message = format!("{detail}; the same request will not be taken");
    ApiError::invalid("invalid_body", message).with("detail", json!(detail))
}

fn unusable(error: &BodyError) -> ApiError {
    match error {
        BodyError::TooLarge(most) => invalid(format!("the request has more than {most} bytes")),
        // What did not arrive says nothing about what was sent.
        BodyError::TooSlow(_) | BodyError::Broken => ApiError::new(
            StatusCode::REQUEST_TIMEOUT,
            "body_timeout",
            "timeout",
            "the body did not arrive; send it again",
        )
        .retry_after(1),
        BodyError::NotGzip | BodyError::UnknownEncoding => {
            invalid("the body must be sent as it is, or as gzip")
        }
    }
}

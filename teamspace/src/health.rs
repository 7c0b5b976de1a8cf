//! Is it up, and is it well: for proxies, supervisors, release gates and people; without a token and
//! without content.

use crate::routing;
use crate::state::State;
use crate::store::StoreError;
use crate::store::failures::{BUSINESS_RULE, INFRA};
use actix_web::HttpResponse;
use actix_web::web::{Data, ServiceConfig};
use kitty_contract::Gate;
use serde_json::{Value, json};

/// The name by which the server answers.
const SERVICE: &str = "spec-kitty-teamspace";

/// The distribution that defines the events.
const EVENTS_PACKAGE: &str = "spec-kitty-events";

/// Declares the health endpoints.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .service(routing::get("/health", live))
        .service(routing::get("/health/ready", ready));
}

/// `GET /health/`: the process answers, and says what it is.
///
/// The commit and the time of the build are null in a build that was not told them.
async fn live(state: Data<State>) -> HttpResponse {
    HttpResponse::Ok().json(described(&state, "ok"))
}

fn described(state: &State, status: &str) -> Value {
    let packages = Gate::vendored().provenance().packages();
    let events = packages
        .filter(|package| package.name == EVENTS_PACKAGE)
        .last();
    json!({
        "status": status,
        "service": SERVICE,
        "version": env!("CARGO_PKG_VERSION"),
        "git_sha": state.commit,
        "build_timestamp": option_env!("SPEC_KITTY_BUILT_AT"),
        "spec_kitty_events": events.map(|package| package.version),
        "environment": "self-hosted",
    })
}

/// Rows that failed for good, by class.
struct Failed {
    infra: u64,
    business_rule: u64,
}

async fn failed(state: &State) -> Result<Failed, StoreError> {
    state.store.probe().await?;
    Ok(Failed {
        infra: state.store.count_failures(INFRA).await?,
        business_rule: state.store.count_failures(BUSINESS_RULE).await?,
    })
}

/// `GET /health/ready/`: what it depends on answers too, and nothing failed for want of it; else 503.
///
/// The names are those of the hosted service; here one process plays every part. An event is stored in
/// the transaction that receives it, so none ever waits to be drained or tried again.
async fn ready(state: Data<State>) -> HttpResponse {
    let failed = failed(&state).await;
    if let Err(error) = &failed {
        tracing::error!(%error, "the database does not answer");
    }
    let stored = word(failed.is_ok());
    let live = word(!*state.stopping.borrow());
    let infra = failed.as_ref().ok().map(|it| it.infra);
    let well = infra == Some(0);
    let mut drain = json!({
        "status": if well { "ok" } else { "degraded" },
        "oldest_pending_age_seconds": 0,
        "retryable_count": 0,
        "terminal_failed_count": infra,
        "business_rule_rejected_count": failed.as_ref().ok().map(|it| it.business_rule),
    });
    if infra.is_some_and(|count| count > 0) {
        drain["reason"] = json!("terminal_failed_count_exceeded");
    }
    let (mut response, status) = if well {
        (HttpResponse::Ok(), "ready")
    } else {
        (HttpResponse::ServiceUnavailable(), "degraded")
    };
    let mut document = described(&state, status);
    document["dependencies"] = json!({
        "postgres": {"status": stored},
        "redis": {"status": live},
        "channel_layer": {"status": live},
        "celery_broker": {"status": stored},
        "drain_queue": drain,
    });
    response.json(document)
}

const fn word(well: bool) -> &'static str {
    if well { "ok" } else { "unavailable" }
}

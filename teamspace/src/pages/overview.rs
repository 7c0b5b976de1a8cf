//! `/`: what this server holds, for a signed-in account's own teams.
//!
//! Signing in takes an account's email and the approval key. Without it the page says that this is
//! a Teamspace server and nothing else, so a HEAD request may still find out that it answers.

use super::forms::{Notice, problem, who};
use super::html::{Text, page};
use crate::accounts::{Account, Team};
use crate::approval::account_of_form;
use crate::envelope::FiledUnder;
use crate::read::{MISSION_CREATED, MissionView};
use crate::request::{Fields, RawBody, header};
use crate::state::State;
use crate::store::{BodyRow, ProjectRow, StoreError, StoredEvent};
use actix_web::http::StatusCode;
use actix_web::http::header::{COOKIE, LOCATION, SET_COOKIE};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use std::fmt::Write as _;
use std::time::Duration;

const COOKIE_NAME: &str = "teamspace_page";

/// How many of the latest events the page shows per team.
const LATEST: u32 = 20;

/// `GET /`.
pub(super) async fn show(state: Data<State>, request: HttpRequest) -> HttpResponse {
    let cookie = cookie(&request);
    let account_id = cookie.and_then(|cookie| state.page_sessions.account(cookie, state.now()));
    let shown = match account_id {
        None => return sign_in_page(StatusCode::OK, "", &Notice::None),
        Some(id) => overview(&state, &id).await,
    };
    match shown {
        Ok(Some(main)) => page(StatusCode::OK, "Teamspace", &main),
        Ok(None) => sign_in_page(StatusCode::OK, "", &Notice::None),
        Err(error) => failed(&error),
    }
}

/// `POST /sign-in`: fields `email` and `approval_key`.
pub(super) async fn sign_in(
    state: Data<State>,
    request: HttpRequest,
    payload: Payload,
) -> HttpResponse {
    let most = state.limits.max_form_bytes;
    let body = RawBody::receive(&request, payload, most, &state.limits).await;
    let Ok(content) = body.and_then(|body| body.unpack(most)) else {
        let notice = Notice::Problem("The form cannot be read. Send it again.");
        return sign_in_page(StatusCode::BAD_REQUEST, "", &notice);
    };
    let form = Fields::parse(&content);
    let account = match account_of_form(&state, &request, &form).await {
        Ok(account) => account,
        Err(refused) => {
            let (status, notice) = (refused.status(), refused.to_string());
            return sign_in_page(status, &form.first("email"), &Notice::Problem(&notice));
        }
    };
    let now = state.now();
    let lifetime = state.lifetimes.page_session;
    match state
        .page_sessions
        .open(&account.id, now, now.plus(lifetime))
    {
        Ok(secret) => go_home(&set_cookie(&state, secret.expose(), lifetime)),
        Err(error) => failed(&StoreError::from(error)),
    }
}

/// `POST /sign-out`.
pub(super) async fn sign_out(state: Data<State>, request: HttpRequest) -> HttpResponse {
    if let Some(cookie) = cookie(&request) {
        state.page_sessions.close(cookie);
    }
    go_home(&set_cookie(&state, "", Duration::ZERO))
}

fn go_home(set_cookie: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((LOCATION, "/"))
        .insert_header((SET_COOKIE, set_cookie))
        .finish()
}

fn set_cookie(state: &State, value: &str, lifetime: Duration) -> String {
    let secure = if state.is_https() { "; Secure" } else { "" };
    let seconds = lifetime.as_secs();
    format!("{COOKIE_NAME}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}")
}

fn cookie(request: &HttpRequest) -> Option<&str> {
    header(request, COOKIE.as_str())?
        .split(';')
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(name, value)| (name == COOKIE_NAME).then_some(value))
}

fn failed(error: &StoreError) -> HttpResponse {
    tracing::error!(%error, "the overview page failed");
    let main = "<p role=\"alert\">The server failed. Try again, then see its log.</p>\n";
    page(StatusCode::INTERNAL_SERVER_ERROR, "Teamspace", main)
}

fn sign_in_page(status: StatusCode, email: &str, notice: &Notice<'_>) -> HttpResponse {
    let main = format!(
        "{}<p>This is a Teamspace server. Sign in to see what your teams have received.</p>\n\
         <form method=\"post\" action=\"/sign-in\">\n{}\
         <button type=\"submit\">Sign in</button>\n</form>\n",
        problem(notice),
        who(email),
    );
    page(status, "Teamspace", &main)
}

async fn overview(state: &State, account_id: &str) -> Result<Option<String>, StoreError> {
    let Some(account) = state.store.account(account_id).await? else {
        return Ok(None);
    };
    let mut main = heading(&account);
    for team in &account.teams {
        let projects = state.store.projects(&team.id).await?;
        let created = state
            .store
            .latest_events(&team.id, Some(MISSION_CREATED), LATEST)
            .await?;
        let missions: Vec<MissionView> = created.iter().filter_map(MissionView::of).collect();
        let events = state.store.latest_events(&team.id, None, LATEST).await?;
        let bodies = state.store.latest_bodies(&team.id, LATEST).await?;
        section(&mut main, team, &projects, &missions, &events, &bodies);
    }
    Ok(Some(main))
}

fn heading(account: &Account) -> String {
    format!(
        "<p>Signed in as {}.</p>\n<form method=\"post\" action=\"/sign-out\">\
         <button type=\"submit\">Sign out</button></form>\n",
        Text(&account.email)
    )
}

fn section(
    main: &mut String,
    team: &Team,
    projects: &[ProjectRow],
    missions: &[MissionView],
    events: &[StoredEvent],
    bodies: &[BodyRow],
) {
    let kind = if team.is_private_teamspace {
        "private"
    } else {
        "shared"
    };
    let (name, slug) = (Text(&team.name), Text(&team.slug));
    // Writing to a String cannot fail.
    let _ = writeln!(main, "<section>\n<h2>{name} ({kind}, {slug})</h2>");
    let rows = projects.iter().map(|project| {
        [
            project.project_slug.clone().unwrap_or_default(),
            project.project_uuid.clone(),
            project.events.to_string(),
            project.last_received_at.iso(),
        ]
    });
    table(
        main,
        "Projects",
        ["Project", "Id", "Events", "Last received"],
        rows,
    );
    let rows = missions.iter().map(|mission| {
        [
            mission.friendly_name.clone().unwrap_or_default(),
            mission.mission_slug.clone().unwrap_or_default(),
            mission.mission_type.clone().unwrap_or_default(),
            mission.created_at.clone().unwrap_or_default(),
        ]
    });
    table(
        main,
        "Missions",
        ["Mission", "Slug", "Type", "Created"],
        rows,
    );
    let rows = events.iter().filter_map(|event| {
        let filed = FiledUnder::read(&event.envelope)?;
        Some([
            filed.event_type().unwrap_or_default(),
            filed.event_id().unwrap_or_default(),
            filed.timestamp().unwrap_or_default(),
            event.received_at.iso(),
        ])
    });
    table(
        main,
        "Latest events",
        ["Type", "Id", "Happened", "Received"],
        rows,
    );
    let rows = bodies.iter().map(|body| {
        [
            body.artifact_path.clone(),
            body.mission_slug.clone(),
            body.size_bytes.to_string(),
            body.received_at.iso(),
        ]
    });
    table(
        main,
        "Latest contents",
        ["Artifact", "Mission", "Bytes", "Received"],
        rows,
    );
    main.push_str("</section>\n");
}

fn table(
    main: &mut String,
    caption: &str,
    columns: [&str; 4],
    rows: impl Iterator<Item = [String; 4]>,
) {
    let mut rows = rows.peekable();
    if rows.peek().is_none() {
        let _ = writeln!(main, "<p>{caption}: none yet.</p>");
        return;
    }
    let head: String = columns
        .iter()
        .map(|column| format!("<th scope=\"col\">{column}</th>"))
        .collect();
    let _ = writeln!(
        main,
        "<table>\n<caption>{caption}</caption>\n<tr>{head}</tr>"
    );
    for row in rows {
        let cells: String = row
            .iter()
            .map(|cell| format!("<td>{}</td>", Text(cell)))
            .collect();
        let _ = writeln!(main, "<tr>{cells}</tr>");
    }
    main.push_str("</table>\n");
}

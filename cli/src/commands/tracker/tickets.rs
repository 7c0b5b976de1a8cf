//! `tracker list-tickets` and `issue-search`: issues of a provider, in one shape.

use super::session::{Session, Verb, text, within};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::invocation::Invocation;
use clap::Args;
use kitty_actors::tracker::{Route, TrackerRequest};
use serde_json::{Value, json};

/// How many issues a search returns at most.
const SEARCH_LIMIT: u32 = 20;

/// Arguments of `tracker list-tickets`.
#[derive(Debug, Args)]
pub struct ListTicketsArgs {
    /// The provider: github, gitlab, jira or linear
    #[arg(long)]
    provider: String,
    /// How many tickets at most
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100))]
    limit: u32,
    /// Prints one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `issue-search`.
#[derive(Debug, Args)]
pub struct IssueSearchArgs {
    /// The provider: github, gitlab, jira or linear
    #[arg(long)]
    provider: String,
    /// An issue's key, or words of it
    #[arg(long)]
    query: String,
    /// Prints one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Runs `tracker list-tickets`.
///
/// # Errors
/// [`Failure`].
pub fn list(invocation: &Invocation, args: &ListTicketsArgs) -> Result<Exit, Failure> {
    let request = |route: &Route| TrackerRequest::list_tickets(route, args.limit);
    browse(invocation, &args.provider, args.json, request, "tickets")
}

/// Runs `issue-search`.
///
/// # Errors
/// [`Failure`].
pub fn search(invocation: &Invocation, args: &IssueSearchArgs) -> Result<Exit, Failure> {
    let request = |route: &Route| TrackerRequest::issue_search(route, &args.query, SEARCH_LIMIT);
    browse(invocation, &args.provider, args.json, request, "candidates")
}

fn browse(
    invocation: &Invocation,
    provider: &str,
    json: bool,
    request: impl FnOnce(&Route) -> TrackerRequest,
    field: &str,
) -> Result<Exit, Failure> {
    super::providers::hosted(provider)?;
    within(
        invocation,
        Verb::Browse,
        json,
        async |session: &Session<'_>| {
            let route = session.route_of(provider)?;
            let answer = session.call(&request(&route)).await?;
            let found = answer.get(field).and_then(Value::as_array);
            let rows: Vec<Value> = found
                .into_iter()
                .flatten()
                .filter(|item| item.is_object())
                .map(ticket)
                .collect();
            show(invocation, &rows, json);
            Ok(Exit::Success)
        },
    )
}

fn show(invocation: &Invocation, rows: &[Value], json: bool) {
    let printer = invocation.printer;
    if json {
        printer.json().finish_indented(&rows);
    } else if rows.is_empty() {
        printer.line("No tickets found");
    }
    if json {
        return;
    }
    for row in rows {
        let (key, title) = (text(&row["identifier"]), text(&row["title"]));
        let state = text(&row["state"]["name"]);
        printer.line(format!("{key:<12}  {state:<12}  {title}"));
    }
}

/// Brings an issue into the one shape, whatever the provider calls its fields.
fn ticket(item: &Value) -> Value {
    let first = |names: &[&str]| {
        let values = names.iter().filter_map(|name| item.get(*name));
        let mut usable = values.filter(|value| !value.is_null() && *value != "");
        usable.next().cloned().unwrap_or(Value::Null)
    };
    let state = match item.get("state") {
        Some(Value::Object(state)) => state.get("name").cloned().unwrap_or(Value::Null),
        _ => first(&["status"]),
    };
    let assignee = match first(&["assignee"]) {
        Value::Null => Value::Null,
        Value::Object(person) => Value::Object(person),
        id => json!({"id": id, "name": null}),
    };
    let or_empty = |value: Value| if value.is_null() { "".into() } else { value };
    json!({
        "identifier": first(&["identifier", "external_issue_key", "external_issue_id"]),
        "external_issue_id": first(&["external_issue_id", "id"]),
        "title": or_empty(first(&["title"])),
        "url": or_empty(first(&["url"])),
        "state": {"name": state},
        "team": item.get("team").filter(|team| team.is_object()),
        "assignee": assignee,
        "created_at": item.get("created_at"),
        "updated_at": item.get("updated_at"),
        "body": item.get("body"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issues_of_every_provider_have_one_shape() {
        let one = ticket(&json!({
            "external_issue_id": "i-1", "external_issue_key": "ENG-1", "title": "T",
            "status": "Todo", "assignee": "u-1", "team": "x",
        }));
        assert_eq!(one["identifier"], "ENG-1");
        assert_eq!(one["state"], json!({"name": "Todo"}));
        assert_eq!(one["assignee"], json!({"id": "u-1", "name": null}));
        assert_eq!(one["team"], Value::Null);
        let other = ticket(&json!({
            "id": 7, "identifier": "X-7", "title": null, "state": {"name": "Done", "id": 1},
            "team": {"key": "X"}, "assignee": {"id": 1, "name": "Ada"},
        }));
        assert_eq!(other["external_issue_id"], 7);
        assert_eq!(other["title"], "");
        assert_eq!(other["state"], json!({"name": "Done"}));
        assert_eq!(other["assignee"]["name"], "Ada");
        assert_eq!(other.as_object().unwrap().len(), 10);
    }
}

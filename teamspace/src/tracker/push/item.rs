//! One item of a push, as a client may send it.

use crate::store::tracker::Issue;
use serde_json::{Map, Value, json};

/// The longest title and body of an issue, and the longest other text, in bytes.
const LONGEST_TITLE: usize = 1_000;
const LONGEST_BODY: usize = 256 * 1024;
const LONGEST_TEXT: usize = 500;

/// Why an item was not carried out: a code and what it says to people.
pub(super) type Failure = (&'static str, String);

/// One item, as a client may send it.
pub(super) struct Request<'a> {
    pub(super) action: &'a str,
    pub(super) issue: Option<&'a str>,
    pub(super) wp_id: Option<&'a str>,
    title: Option<&'a str>,
    body: Option<&'a str>,
    status: Option<&'a str>,
    /// The inner `None` takes the assignee away.
    assignee: Option<Option<&'a str>>,
    labels: Option<String>,
}

impl<'a> Request<'a> {
    /// Reads an item.
    pub(super) fn read(item: &'a Value) -> Result<Self, Failure> {
        let item = item
            .as_object()
            .ok_or_else(|| invalid("the item is not an object"))?;
        let action = text(item, "action", LONGEST_TEXT)?.unwrap_or_default();
        if !["create", "update", "transition"].contains(&action) {
            let message = "'action' is one of create, update and transition".to_owned();
            return Err(("unsupported_action", message));
        }
        let target = text(item, "target_status", LONGEST_TEXT)?;
        if action == "transition" && target.is_none() {
            return Err(invalid("'target_status' is missing"));
        }
        let mut request = Self {
            action,
            issue: reference(item.get("ref"))?,
            wp_id: text(item, "wp_id", LONGEST_TEXT)?,
            title: None,
            body: None,
            status: None,
            assignee: None,
            labels: None,
        };
        match item.get("patch") {
            None | Some(Value::Null) => {}
            Some(Value::Object(patch)) => request.read_patch(patch)?,
            Some(_) => return Err(invalid("'patch' must be an object")),
        }
        request.status = target.or(request.status);
        Ok(request)
    }

    fn read_patch(&mut self, patch: &'a Map<String, Value>) -> Result<(), Failure> {
        for (name, value) in patch {
            match name.as_str() {
                "title" => self.title = text(patch, name, LONGEST_TITLE)?,
                "body" | "description" => self.body = text(patch, name, LONGEST_BODY)?,
                "status" => self.status = text(patch, name, LONGEST_TEXT)?,
                "assignee" => self.assignee = Some(text(patch, name, LONGEST_TEXT)?),
                "labels" => {
                    let texts = value
                        .as_array()
                        .filter(|list| list.iter().all(Value::is_string));
                    let texts = texts.filter(|list| list.len() <= LONGEST_TEXT);
                    let texts = texts.ok_or_else(|| invalid("'labels' must be a list of texts"))?;
                    self.labels = Some(json!(texts).to_string());
                }
                _ => {
                    return Err(invalid(
                        "'patch' may have title, body, status, assignee and labels",
                    ));
                }
            }
        }
        Ok(())
    }

    /// Applies the item to an issue and tells whether that changed it.
    pub(super) fn apply(&self, issue: &mut Issue) -> bool {
        let mut changed = false;
        let mut set = |place: &mut String, value: Option<&str>| {
            if let Some(value) = value.filter(|value| *value != place) {
                value.clone_into(place);
                changed = true;
            }
        };
        set(&mut issue.title, self.title);
        set(&mut issue.body, self.body);
        set(&mut issue.status, self.status);
        set(&mut issue.labels, self.labels.as_deref());
        match self.assignee {
            Some(assignee) if assignee != issue.assignee.as_deref() => {
                issue.assignee = assignee.map(str::to_owned);
                true
            }
            _ => changed,
        }
    }
}

/// Finds an issue's id or key in the forms a reference may have.
fn reference(value: Option<&Value>) -> Result<Option<&str>, Failure> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(Value::Object(members)) => {
            for name in [
                "id",
                "external_issue_id",
                "key",
                "external_issue_key",
                "identifier",
            ] {
                if let Some(text) = text(members, name, LONGEST_TEXT)? {
                    return Ok(Some(text));
                }
            }
            Ok(None)
        }
        Some(_) => Err(invalid("'ref' must be a text or an object")),
    }
}

fn text<'a>(
    members: &'a Map<String, Value>,
    name: &str,
    most: usize,
) -> Result<Option<&'a str>, Failure> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.len() <= most => {
            Ok(Some(text.as_str()).filter(|text| !text.is_empty()))
        }
        Some(_) => Err(invalid(format!(
            "'{name}' must be a text of at most {most} bytes"
        ))),
    }
}

/// Refuses an item that is not of its form.
pub(super) fn invalid(message: impl Into<String>) -> Failure {
    ("invalid_item", message.into())
}

//! Whether an answer that came back says that its work failed.
//!
//! The server answers 200 also where none of the work, or only a part, could be done (reference 9:
//! `status` and `summary`). The answer is printed as ever; a script learns of it by the exit code.

use super::session::text;
use serde_json::Value;

/// How many failed items are named.
const NAMED: usize = 10;

/// Says what failed, one line each; `None` when nothing did.
pub fn failure(title: &str, answer: &Value) -> Option<Vec<String>> {
    let items: Vec<&Value> = failed_items(answer).collect();
    let counted = answer["summary"]["failed"].as_u64().unwrap_or(0);
    let failed = counted.max(items.len() as u64);
    let has_failed = matches!(
        answer["status"].as_str(),
        Some("failed" | "error" | "cancelled")
    );
    if failed == 0 && !has_failed {
        return None;
    }
    let mut lines = vec![match (reason(&answer["error"]), failed) {
        (Some(reason), _) => format!("Error: {title} failed: {reason}"),
        (None, 0) => format!("Error: {title} failed; the server does not say why."),
        (None, failed) => {
            let total = answer["summary"]["total"].as_u64().unwrap_or(0);
            let total = total.max(failed);
            format!("Error: {title} failed for {failed} of {total} items.")
        }
    }];
    lines.extend(items.iter().take(NAMED).map(|item| item_line(item)));
    if items.len() > NAMED {
        lines.push(format!("- and {} more", items.len() - NAMED));
    }
    Some(lines)
}

fn failed_items(answer: &Value) -> impl Iterator<Item = &Value> {
    let items = answer["items"].as_array();
    items
        .into_iter()
        .flatten()
        .filter(|item| item["status"] == "failed")
}

/// Reads an error, which is a text or an object of the contract.
fn reason(error: &Value) -> Option<String> {
    let said = match error {
        Value::Object(object) => object.get("message").or_else(|| object.get("error_code"))?,
        other => other,
    };
    said.as_str().filter(|said| !said.is_empty())?;
    Some(text(said))
}

fn item_line(item: &Value) -> String {
    let names = ["key", "id", "external_issue_key", "external_issue_id"];
    let reference = &item["ref"];
    let mut named = names.iter().map(|name| &reference[*name]);
    let name = named.find(|value| value.is_string()).unwrap_or(reference);
    let action = &item["action"];
    let known = [action, name].into_iter().filter(|value| !value.is_null());
    let what: Vec<String> = known.map(text).collect();
    let what = if what.is_empty() {
        "an item".to_owned()
    } else {
        what.join(" ")
    };
    let why = item["message"].as_str().or(item["error_code"].as_str());
    let why = text(&why.unwrap_or("no reason given").into());
    format!("- {what}: {why}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_failed_is_told_from_what_did_not() {
        let of = |failed: u64| json!({"total": 3, "failed": failed});
        for (answer, expected) in [
            (json!({}), None),
            (json!({"status": "complete", "summary": of(0)}), None),
            (json!({"status": "partial", "summary": of(0)}), None),
            (
                json!({"status": "partial", "summary": of(1)}),
                Some("Error: Push failed for 1 of 3 items."),
            ),
            (
                json!({"status": "complete", "items": [{"status": "failed"}]}),
                Some("Error: Push failed for 1 of 1 items."),
            ),
            (
                json!({"status": "failed"}),
                Some("Error: Push failed; the server does not say why."),
            ),
            (
                json!({"status": "failed", "error": {"message": "No\u{1b}access."}}),
                Some("Error: Push failed: No access."),
            ),
            (
                json!({"status": "failed", "error": "Gone."}),
                Some("Error: Push failed: Gone."),
            ),
        ] {
            let lines = failure("Push", &answer);
            let first = lines.as_ref().map(|lines| lines[0].as_str());
            assert_eq!(first, expected, "{answer}");
        }
    }

    #[test]
    fn failed_items_are_named_and_ten_are_enough() {
        let item = |number: usize| json!({"status": "failed", "action": "update", "ref": {"key": format!("ENG-{number}")}, "message": "no such issue"});
        let mut items: Vec<Value> = (1..=12).map(item).collect();
        items.push(json!({"status": "succeeded"}));
        let lines = failure("Push", &json!({"items": items})).unwrap();
        assert_eq!(lines[1], "- update ENG-1: no such issue");
        assert_eq!(lines.len(), 12);
        assert_eq!(lines[11], "- and 2 more");
        let bare = json!({"items": [{"status": "failed", "ref": "X-1", "error_code": "e"},
                                    {"status": "failed"}]});
        let lines = failure("Push", &bare).unwrap();
        assert_eq!(&lines[1..], ["- X-1: e", "- an item: no reason given"]);
    }
}

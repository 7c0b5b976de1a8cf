//! Reads `--evidence-json` and `--review-result-json`.
//!
//! Source: reference orchestrator-missions, section 1.4.

use super::envelope::Refusal;
use kitty_missions::status_log::evidence::{Evidence, ReviewResult};
use serde_json::{Map, Value};

const EVIDENCE: &str = "--evidence-json";
const RESULT: &str = "--review-result-json";
/// The outcomes that a review may have.
const VERDICTS: [&str; 2] = ["approved", "changes_requested"];

/// Reads the evidence of an approval: an object whose fields are looked at when it is used.
///
/// # Errors
/// [`Refusal`] with `USAGE_ERROR`.
pub fn evidence_object(text: Option<&str>) -> Result<Option<Value>, Refusal> {
    let object = text.map(|text| object(EVIDENCE, text)).transpose()?;
    Ok(object.map(Value::Object))
}

/// Reads the fields of an evidence.
///
/// # Errors
/// [`Refusal`] with `TRANSITION_REJECTED`.
pub fn evidence(object: Option<&Value>) -> Result<Option<Evidence>, Refusal> {
    let read = |value| {
        Evidence::from_caller(value)
            .map_err(|problem| Refusal::new("TRANSITION_REJECTED", problem.to_string()))
    };
    object.map(read).transpose()
}

/// Reads the outcome of a review.
///
/// # Errors
/// [`Refusal`] with `USAGE_ERROR`.
pub fn review_result(text: Option<&str>) -> Result<Option<ReviewResult>, Refusal> {
    let Some(text) = text else {
        return Ok(None);
    };
    let object = object(RESULT, text)?;
    let field = |name: &str| {
        let text = object.get(name).and_then(Value::as_str).map(str::trim);
        text.filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let (Some(reviewer), Some(verdict), Some(reference)) =
        (field("reviewer"), field("verdict"), field("reference"))
    else {
        return Err(usage(
            "requires non-empty reviewer, verdict, and reference strings",
        ));
    };
    if !VERDICTS.contains(&verdict.as_str()) {
        return Err(usage("verdict must be 'approved' or 'changes_requested'"));
    }
    let feedback_path = match object.get("feedback_path") {
        None | Some(Value::Null) => None,
        Some(Value::String(path)) => Some(path.clone()),
        Some(_) => return Err(usage("feedback_path must be a string")),
    };
    Ok(Some(ReviewResult {
        feedback_path,
        reference,
        reviewer,
        verdict,
    }))
}

fn object(option: &str, text: &str) -> Result<Map<String, Value>, Refusal> {
    let refuse = |message: String| Refusal::new("USAGE_ERROR", message);
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(refuse(format!("{option} must decode to a JSON object"))),
        Err(error) => Err(refuse(format!("Invalid JSON in {option}: {error}"))),
    }
}

fn usage(words: &str) -> Refusal {
    Refusal::new("USAGE_ERROR", format!("{RESULT} {words}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_review_result_needs_three_texts_and_one_of_two_verdicts() {
        for (text, message) in [
            ("[]", "--review-result-json must decode to a JSON object"),
            (
                r#"{"reviewer":"rev"}"#,
                "--review-result-json requires non-empty reviewer, verdict, and reference strings",
            ),
            (
                r#"{"reviewer":" ","verdict":"approved","reference":"r"}"#,
                "--review-result-json requires non-empty reviewer, verdict, and reference strings",
            ),
            (
                r#"{"reviewer":"rev","verdict":"rejected","reference":"r"}"#,
                "--review-result-json verdict must be 'approved' or 'changes_requested'",
            ),
            (
                r#"{"reviewer":"rev","verdict":"approved","reference":"r","feedback_path":1}"#,
                "--review-result-json feedback_path must be a string",
            ),
        ] {
            let refusal = review_result(Some(text)).unwrap_err();
            assert_eq!(
                (refusal.code, refusal.message.as_str()),
                ("USAGE_ERROR", message)
            );
        }
        let broken = review_result(Some("{")).unwrap_err();
        assert!(
            broken
                .message
                .starts_with("Invalid JSON in --review-result-json: ")
        );
        assert_eq!(review_result(None).unwrap(), None);
        let text = r#"{"reviewer":"rev","verdict":"approved","reference":"r"}"#;
        assert_eq!(
            review_result(Some(text)).unwrap().unwrap().verdict,
            "approved"
        );
    }

    #[test]
    fn evidence_without_a_review_is_a_rejected_transition_and_not_a_usage_error() {
        let object = evidence_object(Some("{}")).unwrap();
        let refusal = evidence(object.as_ref()).unwrap_err();
        assert_eq!(refusal.code, "TRANSITION_REJECTED");
        assert_eq!(
            refusal.message,
            "Moving to done requires evidence with review.reviewer review.verdict, and review.reference"
        );
        let refusal = evidence_object(Some("[]")).unwrap_err();
        assert_eq!(
            refusal.message,
            "--evidence-json must decode to a JSON object"
        );
    }
}

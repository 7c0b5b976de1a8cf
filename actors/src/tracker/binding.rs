//! What a project can be bound to, and what the server made of a bind.

use super::error::TrackerError;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// A resource that a project can be bound to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Resource {
    /// Names it in a bind.
    pub candidate_token: String,
    /// Names it for people.
    pub display_label: String,
    /// Its provider.
    pub provider: String,
    /// What the provider says about it.
    #[serde(default, deserialize_with = "nullable")]
    pub provider_context: BTreeMap<String, Value>,
    /// The reference under which it is bound.
    pub binding_ref: Option<String>,
    /// The project that it is bound to.
    pub bound_project_slug: Option<String>,
    /// When it was bound.
    pub bound_at: Option<String>,
}

/// One of several resources that fit a project.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Candidate {
    /// Names it in a bind.
    pub candidate_token: String,
    /// Names it for people.
    pub display_label: String,
    /// How sure the server is: `high`, `medium`, `low`.
    #[serde(default, deserialize_with = "nullable")]
    pub confidence: String,
    /// Why it fits.
    #[serde(default, deserialize_with = "nullable")]
    pub match_reason: String,
    /// Its place, counted from zero; the order of the answer when missing.
    pub sort_position: Option<usize>,
}

/// A binding that the server has made or confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Bound {
    /// The reference that is stored.
    pub binding_ref: String,
    /// Names the resource for people.
    #[serde(default, deserialize_with = "nullable")]
    pub display_label: Option<String>,
    /// What the provider says about it.
    #[serde(default, deserialize_with = "nullable")]
    pub provider_context: BTreeMap<String, Value>,
    /// The project's slug at the server.
    pub project_slug: Option<String>,
}

/// What the server knows that fits a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// It is bound already.
    Bound(Bound),
    /// Exactly this resource fits; it is to be confirmed.
    Confirm(String),
    /// Several fit, in the server's order.
    Choose(Vec<Candidate>),
    /// None fits.
    Nothing,
}

#[derive(Deserialize)]
struct ResolveAnswer {
    match_type: String,
    candidate_token: Option<String>,
    binding_ref: Option<String>,
    display_label: Option<String>,
    project_slug: Option<String>,
    #[serde(default, deserialize_with = "nullable")]
    candidates: Vec<Candidate>,
}

/// Whether a known reference may be stored.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Validation {
    /// Whether it is valid for this project.
    pub valid: bool,
    /// Why not.
    pub reason: Option<String>,
    /// What to do about it.
    pub guidance: Option<String>,
    /// Names the resource for people.
    pub display_label: Option<String>,
    /// What the provider says about it.
    #[serde(default, deserialize_with = "nullable")]
    pub provider_context: BTreeMap<String, Value>,
}

fn nullable<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::<T>::deserialize(from)?.unwrap_or_default())
}

fn read<T: for<'de> Deserialize<'de>>(
    name: &'static str,
    answer: Value,
) -> Result<T, TrackerError> {
    serde_json::from_value(answer).map_err(|error| TrackerError::Answer {
        name,
        reason: error.to_string(),
    })
}

/// Reads the answer about resources.
///
/// # Errors
/// [`TrackerError::Answer`].
pub fn resources(answer: &Value) -> Result<Vec<Resource>, TrackerError> {
    match answer.get("resources") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(list) => read("the tracker resources", list.clone()),
    }
}

/// Reads the answer of a resolution; candidates come in their order.
///
/// # Errors
/// [`TrackerError::Answer`].
pub fn resolution(answer: Value) -> Result<Resolution, TrackerError> {
    let answer: ResolveAnswer = read("the tracker bind", answer)?;
    let unusable = |reason: String| TrackerError::Answer {
        name: "the tracker bind",
        reason,
    };
    match (answer.match_type.as_str(), answer.binding_ref) {
        ("exact", Some(binding_ref)) => Ok(Resolution::Bound(Bound {
            binding_ref,
            display_label: answer.display_label,
            provider_context: BTreeMap::new(),
            project_slug: answer.project_slug,
        })),
        ("exact", None) => answer
            .candidate_token
            .map(Resolution::Confirm)
            .ok_or_else(|| unusable("an exact match without a token".to_owned())),
        ("candidates", _) => {
            let mut candidates: Vec<(usize, Candidate)> =
                answer.candidates.into_iter().enumerate().collect();
            candidates.sort_by_key(|(index, it)| it.sort_position.unwrap_or(*index));
            let candidates = candidates.into_iter().map(|(_, candidate)| candidate);
            Ok(Resolution::Choose(candidates.collect()))
        }
        ("none", _) => Ok(Resolution::Nothing),
        (other, _) => Err(unusable(format!("a match of type '{other}'"))),
    }
}

/// Reads the answer of a confirmation.
///
/// # Errors
/// [`TrackerError::Answer`].
pub fn confirmed(answer: Value) -> Result<Bound, TrackerError> {
    read("the tracker bind", answer)
}

/// Reads the answer of a validation.
///
/// # Errors
/// [`TrackerError::Answer`].
pub fn validation(answer: Value) -> Result<Validation, TrackerError> {
    read("the tracker bind", answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_resolution_is_one_of_four_things() {
        let bound = json!({"match_type": "exact", "binding_ref": "b", "display_label": "Eng"});
        let Resolution::Bound(bound) = resolution(bound).unwrap() else {
            panic!("bound")
        };
        assert_eq!(
            (bound.binding_ref.as_str(), bound.display_label.as_deref()),
            ("b", Some("Eng"))
        );
        let confirm = json!({"match_type": "exact", "candidate_token": "t", "candidates": null});
        assert_eq!(
            resolution(confirm).unwrap(),
            Resolution::Confirm("t".to_owned())
        );
        let candidate = |token: &str, place: usize| json!({"candidate_token": token, "display_label": token, "sort_position": place});
        let choose = json!({"match_type": "candidates",
                            "candidates": [candidate("second", 1), candidate("first", 0)]});
        let Resolution::Choose(candidates) = resolution(choose).unwrap() else {
            panic!("candidates")
        };
        let tokens: Vec<&str> = candidates
            .iter()
            .map(|it| it.candidate_token.as_str())
            .collect();
        assert_eq!(tokens, ["first", "second"]);
        let nothing = json!({"match_type": "none"});
        assert_eq!(resolution(nothing).unwrap(), Resolution::Nothing);
    }

    #[test]
    fn an_answer_that_is_none_of_them_is_named() {
        for answer in [
            json!({}),
            json!({"match_type": "exact"}),
            json!({"match_type": "maybe"}),
            json!({"match_type": "candidates", "candidates": [{}]}),
        ] {
            let error = resolution(answer).unwrap_err();
            assert!(matches!(error, TrackerError::Answer { .. }), "{error}");
        }
    }
}

//! One event of a batch: what it must be before it may be stored.

use crate::accounts::Team;
use crate::envelope::{FiledUnder, is_object, normal_id};
use crate::store::NewEvent;
use crate::time::Moment;
use kitty_contract::Gate;

/// More than this is no event id, and is not repeated in an answer.
const LONGEST_ID: usize = 128;

/// An event that was read, and what is to become of it.
#[derive(Debug)]
pub(crate) struct Judged {
    /// The id as it was sent; `None` when there is no usable one.
    pub(crate) event_id: Option<String>,
    pub(crate) verdict: Result<NewEvent, Rejection>,
}

/// Why an event cannot be stored, ever.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rejection {
    pub(crate) category: &'static str,
    pub(crate) message: String,
}

impl Rejection {
    pub(crate) fn new(category: &'static str, message: impl Into<String>) -> Self {
        Self {
            category,
            message: message.into(),
        }
    }

    /// Refuses an event whose id is that of another one.
    pub(crate) fn divergent() -> Self {
        Self::new(
            "divergent_duplicate",
            "another event is stored under this event_id; the stored one stays",
        )
    }
}

/// What events are judged by.
#[derive(Debug)]
pub(crate) struct Judge<'a> {
    pub(crate) team: &'a Team,
    pub(crate) max_event_bytes: usize,
}

impl Judge<'_> {
    /// Judges one item of a batch.
    pub(crate) fn judge(&self, item: &str) -> Judged {
        let filed = FiledUnder::read(item);
        let event_id = filed.as_ref().and_then(FiledUnder::event_id);
        let event_id = event_id.filter(|id| !id.trim().is_empty() && id.len() <= LONGEST_ID);
        let verdict = match (&filed, &event_id) {
            (Some(filed), Some(id)) => self.admit(item, filed, id),
            (Some(_), None) => Err(Rejection::new(
                "invalid_event_id",
                "the event has no usable event_id; send a ULID or a UUID",
            )),
            (None, _) => Err(unreadable(item)),
        };
        Judged { event_id, verdict }
    }

    fn admit(&self, item: &str, filed: &FiledUnder<'_>, id: &str) -> Result<NewEvent, Rejection> {
        if item.len() > self.max_event_bytes {
            return Err(Rejection::new(
                "event_too_large",
                format!(
                    "the event is oversized: more than {} bytes",
                    self.max_event_bytes
                ),
            ));
        }
        if filed
            .delivery_identity()
            .is_some_and(|identity| identity.as_deref() != Some(id))
        {
            return Err(Rejection::new(
                "delivery_identity_mismatch",
                "spec_kitty_delivery_identity is not the event_id; send the event_id",
            ));
        }
        let of_team = |named: Option<String>| named.is_some_and(|named| self.team.is_named(&named));
        if filed.team_slug().is_some_and(|named| !of_team(named)) {
            return Err(Rejection::new(
                "team_mismatch",
                "team_slug does not name the receiving Private Teamspace; the event belongs to \
                 another team or server",
            ));
        }
        Gate::vendored()
            .check_event(item.as_bytes())
            .map_err(|violation| Rejection::new("contract_violation", violation.to_string()))?;
        let event_type = filed
            .event_type()
            .ok_or_else(|| Rejection::new("contract_violation", "the event has no event_type"))?;
        Ok(NewEvent {
            event_id: normal_id(id).into_owned(),
            event_type,
            aggregate_type: filed.aggregate_type(),
            aggregate_id: filed.aggregate_id(),
            project_uuid: filed.project_uuid(),
            project_slug: filed.project_slug(),
            build_id: filed.build_id(),
            occurred_at: filed.timestamp().as_deref().and_then(Moment::parse),
            envelope: item.to_owned(),
        })
    }
}

/// Says why an item was not read: not an object, or an object the gate names the fault of.
fn unreadable(item: &str) -> Rejection {
    if !is_object(item) {
        return Rejection::new(
            "not_an_object",
            "the item is not a JSON object; send an event",
        );
    }
    match Gate::vendored().check_event(item.as_bytes()) {
        Err(violation) => Rejection::new("contract_violation", violation.to_string()),
        Ok(()) => Rejection::new("contract_violation", "the event cannot be read"),
    }
}

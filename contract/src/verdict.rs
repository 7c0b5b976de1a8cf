//! Which of the violations of one document is reported.

use crate::breach::Breach;
use crate::context::Context;
use crate::path::{Location, Path};
use crate::violation::{Rule, Violation};

/// The first violation so far, in the order of the README's "Which violation is reported"; the
/// order in which a walk meets violations does not matter.
#[derive(Debug)]
pub(crate) struct Verdict {
    context: Context,
    found: Option<Box<Found>>,
}

#[derive(Debug)]
struct Found {
    rank: Rank,
    violation: Violation,
}

/// Rules about the document come before forbidden keys, those before the rules of the context's
/// root, those before the rules of the payload.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    group: u8,
    rule: Rule,
    location: Location,
    position: usize,
}

const PAYLOAD_GROUP: u8 = 3;

impl Verdict {
    pub(crate) fn new(context: Context) -> Self {
        Self {
            context,
            found: None,
        }
    }

    pub(crate) fn finish(self) -> Result<(), Violation> {
        self.found.map_or(Ok(()), |found| Err(found.violation))
    }

    /// Keeps the violation if it ranks before the one that is kept.
    pub(crate) fn report(&mut self, breach: Breach<'_>, path: &Path<'_>, in_payload: bool) {
        let rule = breach.rule();
        let group = match rule {
            Rule::Json | Rule::Depth | Rule::Duplicate => 0,
            Rule::ForbiddenAnywhere => 1,
            _ if in_payload => PAYLOAD_GROUP,
            _ => 2,
        };
        let kept = self.found.as_ref().map(|found| &found.rank);
        if kept.is_some_and(|kept| (kept.group, kept.rule) < (group, rule)) {
            return;
        }
        let rank = Rank {
            group,
            rule,
            location: path.to_location(),
            position: breach.position(),
        };
        if kept.is_some_and(|kept| *kept <= rank) {
            return;
        }
        let context = if group == PAYLOAD_GROUP {
            Context::Payload
        } else {
            self.context
        };
        let field = rank.location.to_string();
        let reason = breach.reason(context, &field);
        let condition = breach.condition().map(str::to_owned);
        let violation = Violation {
            context,
            field,
            rule,
            condition,
            reason,
        };
        self.found = Some(Box::new(Found { rank, violation }));
    }
}

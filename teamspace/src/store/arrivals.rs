//! Who is told that events arrived.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// Tells, per team, that a commit stored events. It carries none: whoever hears of a commit reads the
/// store, so that nothing is lost, repeated or out of order, however slow the listener is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Arrivals(Arc<Mutex<HashMap<String, watch::Sender<()>>>>);

impl Arrivals {
    /// Listens for commits of one team from now on.
    pub(crate) fn listen(&self, team_id: &str) -> watch::Receiver<()> {
        let mut teams = self.teams();
        let sender = teams.entry(team_id.to_owned());
        sender.or_insert_with(|| watch::Sender::new(())).subscribe()
    }

    /// Tells the listeners of a team; called after the commit.
    pub(super) fn tell(&self, team_id: &str) {
        let mut teams = self.teams();
        let Some(sender) = teams.get(team_id) else {
            return;
        };
        if sender.send(()).is_err() {
            // The last listener has gone.
            teams.remove(team_id);
        }
    }

    fn teams(&self) -> MutexGuard<'_, HashMap<String, watch::Sender<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_told_to_its_team_and_nobody_is_kept_who_has_gone() {
        let arrivals = Arrivals::default();
        let (mut ours, theirs) = (arrivals.listen("ours"), arrivals.listen("theirs"));
        arrivals.tell("ours");
        assert!(ours.has_changed().unwrap());
        assert!(!theirs.has_changed().unwrap());
        ours.mark_unchanged();
        drop((ours, theirs));
        arrivals.tell("ours");
        arrivals.tell("theirs");
        arrivals.tell("nobody");
        assert!(arrivals.teams().is_empty());
    }
}

//! Folds a status log into the lane of every work package.
//!
//! The order of lines does not matter: worktrees append on their own and git merges the lines in any
//! order. Rows are deduplicated by id (the first wins), sorted by time and id, and folded per work
//! package; of two rows with the same time a reviewer's rollback beats a forward move.
//!
//! Source: reference orchestrator-missions, section 4.5.

use crate::lane::Lane;
use crate::status_log::Transition;
use std::collections::{BTreeMap, HashSet};

/// The lane of every work package that has a row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Work packages by id.
    pub work_packages: BTreeMap<String, Lane>,
}

impl Snapshot {
    /// Counts the work packages of each displayed lane, in display order.
    #[must_use]
    pub fn summary(&self) -> [(Lane, usize); 9] {
        Lane::DISPLAYED.map(|lane| {
            let count = self
                .work_packages
                .values()
                .filter(|at| **at == lane)
                .count();
            (lane, count)
        })
    }
}

/// Folds transitions, in any order.
#[must_use]
pub fn reduce(transitions: &[Transition]) -> Snapshot {
    let mut seen = HashSet::new();
    let mut rows: Vec<&Transition> = transitions
        .iter()
        .filter(|row| seen.insert(row.event_id.as_str()))
        .collect();
    rows.sort_by(|one, other| (&one.at, &one.event_id).cmp(&(&other.at, &other.event_id)));
    let mut last: BTreeMap<&str, &Transition> = BTreeMap::new();
    for row in rows {
        let outweighed = last.get(row.wp_id.as_str()).is_some_and(|current| {
            current.at == row.at && is_rollback(current) && !is_rollback(row)
        });
        if !outweighed {
            last.insert(&row.wp_id, row);
        }
    }
    Snapshot {
        work_packages: last
            .into_iter()
            .map(|(wp_id, row)| (wp_id.to_owned(), row.to_lane))
            .collect(),
    }
}

/// A reviewer sent the work back.
fn is_rollback(row: &Transition) -> bool {
    row.to_lane == Lane::InProgress
        && match row.from_lane {
            Lane::InReview => true,
            Lane::ForReview => row.review_ref.is_some(),
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row(id: &str, at: &str, wp: &str, from: Lane, to: Lane) -> Transition {
        Transition {
            event_id: id.to_owned(),
            at: at.to_owned(),
            wp_id: wp.to_owned(),
            from_lane: from,
            to_lane: to,
            review_ref: None,
        }
    }

    fn lane_of(rows: &[Transition]) -> Option<Lane> {
        reduce(rows).work_packages.get("WP01").copied()
    }

    #[test]
    fn the_last_row_in_time_decides_wherever_it_stands_in_the_file() {
        let rows = [
            row("C", "3", "WP01", Lane::InProgress, Lane::ForReview),
            row("A", "1", "WP01", Lane::Planned, Lane::Claimed),
            row("B", "2", "WP01", Lane::Claimed, Lane::InProgress),
            row("D", "1", "WP02", Lane::Genesis, Lane::Planned),
        ];
        let snapshot = reduce(&rows);
        assert_eq!(snapshot.work_packages["WP01"], Lane::ForReview);
        assert_eq!(snapshot.work_packages["WP02"], Lane::Planned);
        let counted: usize = snapshot.summary().iter().map(|(_, count)| count).sum();
        assert_eq!(counted, 2);
    }

    #[test]
    fn of_two_rows_with_one_id_the_first_in_the_file_counts() {
        let rows = [
            row("A", "1", "WP01", Lane::Planned, Lane::Claimed),
            row("A", "9", "WP01", Lane::Claimed, Lane::Done),
        ];
        assert_eq!(lane_of(&rows), Some(Lane::Claimed));
    }

    #[test]
    fn at_the_same_time_a_rollback_beats_a_forward_move_whatever_the_ids() {
        for (rollback, forward) in [("A", "B"), ("B", "A")] {
            let rows = [
                row(rollback, "1", "WP01", Lane::InReview, Lane::InProgress),
                row(forward, "1", "WP01", Lane::InReview, Lane::Approved),
            ];
            assert_eq!(lane_of(&rows), Some(Lane::InProgress));
        }
        let mut legacy = row("A", "1", "WP01", Lane::ForReview, Lane::InProgress);
        let forward = row("B", "1", "WP01", Lane::ForReview, Lane::Approved);
        assert_eq!(
            lane_of(&[legacy.clone(), forward.clone()]),
            Some(Lane::Approved)
        );
        legacy.review_ref = Some("r".to_owned());
        assert_eq!(lane_of(&[legacy, forward]), Some(Lane::InProgress));
    }

    fn any_row() -> impl Strategy<Value = Transition> {
        let lane = || prop::sample::select(Lane::DISPLAYED.to_vec());
        (0..40_u32, 0..5_u32, 1..4_u32, lane(), lane(), any::<bool>()).prop_map(
            |(id, at, wp, from, to, review)| Transition {
                review_ref: review.then(|| "r".to_owned()),
                ..row(
                    &format!("E{id:02}"),
                    &at.to_string(),
                    &format!("WP{wp:02}"),
                    from,
                    to,
                )
            },
        )
    }

    proptest! {
        #[test]
        fn the_order_of_lines_and_repeated_lines_change_nothing(
            rows in prop::collection::vec(any_row(), 0..40),
            seed in any::<u64>(),
        ) {
            // Distinct ids: which of two different rows with one id comes first does matter.
            let mut seen = HashSet::new();
            let rows: Vec<Transition> =
                rows.into_iter().filter(|row| seen.insert(row.event_id.clone())).collect();
            let mut shuffled = rows.clone();
            shuffled.extend(rows.iter().take(5).cloned());
            let mut state = seed | 1;
            for index in (1..shuffled.len()).rev() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let other = usize::try_from(state >> 33).unwrap() % (index + 1);
                shuffled.swap(index, other);
            }
            prop_assert_eq!(reduce(&rows), reduce(&shuffled));
        }
    }
}

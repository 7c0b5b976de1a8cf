//! Which work package needs which: cycles, order, readiness.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Work packages by id, with the ids they depend on as their files list them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DependencyGraph {
    needs: BTreeMap<String, Vec<String>>,
}

/// The graph cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GraphProblem {
    /// Work packages wait for each other.
    #[error("Circular dependency detected: {0}: remove one of these dependencies")]
    Cycle(Cycle),
    /// A dependency is no work package of the mission.
    #[error("{wp_id}: dependency {dependency} not found in graph")]
    Unknown {
        /// The work package.
        wp_id: String,
        /// What it names.
        dependency: String,
    },
}

/// A closed path: the first name is also the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cycle(pub Vec<String>);

impl fmt::Display for Cycle {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0.join(" \u{2192} "))
    }
}

impl<W: Into<String>, D: Into<String>> FromIterator<(W, Vec<D>)> for DependencyGraph {
    fn from_iter<T: IntoIterator<Item = (W, Vec<D>)>>(packages: T) -> Self {
        let needs = packages.into_iter().map(|(wp_id, needs)| {
            let needs = needs.into_iter().map(Into::into).collect();
            (wp_id.into(), needs)
        });
        Self {
            needs: needs.collect(),
        }
    }
}

impl DependencyGraph {
    /// Returns the ids in order.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.needs.keys().map(String::as_str)
    }

    /// Returns what a work package depends on, as its file lists it.
    #[must_use]
    pub fn dependencies(&self, wp_id: &str) -> &[String] {
        self.needs.get(wp_id).map_or(&[], Vec::as_slice)
    }

    /// Returns the work packages that depend on this one directly, in order.
    #[must_use]
    pub fn dependents(&self, wp_id: &str) -> Vec<&str> {
        let needs_it = |(_, needs): &(&String, &Vec<String>)| needs.iter().any(|id| id == wp_id);
        let dependents = self.needs.iter().filter(needs_it);
        dependents.map(|(id, _)| id.as_str()).collect()
    }

    /// Refuses a graph with an unknown dependency or a cycle.
    ///
    /// # Errors
    /// [`GraphProblem`], the first in the order of ids.
    pub fn check(&self) -> Result<(), GraphProblem> {
        for (wp_id, needs) in &self.needs {
            if let Some(dependency) = needs.iter().find(|id| !self.needs.contains_key(*id)) {
                return Err(GraphProblem::Unknown {
                    wp_id: wp_id.clone(),
                    dependency: dependency.clone(),
                });
            }
        }
        self.cycle()
            .map_or(Ok(()), |cycle| Err(GraphProblem::Cycle(cycle)))
    }

    /// Finds the first cycle in the order of ids; a path begins with its smallest id.
    #[must_use]
    pub fn cycle(&self) -> Option<Cycle> {
        let mut finished: BTreeSet<&str> = BTreeSet::new();
        for root in self.needs.keys() {
            let mut path: Vec<(&str, usize)> = vec![(root, 0)];
            let mut on_path: BTreeSet<&str> = BTreeSet::from([root.as_str()]);
            while let Some((node, next)) = path.last_mut() {
                if finished.contains(node) {
                    on_path.remove(node);
                    path.pop();
                    continue;
                }
                let Some(dependency) = self.needs.get(*node).and_then(|needs| needs.get(*next))
                else {
                    finished.insert(node);
                    continue;
                };
                *next += 1;
                if on_path.contains(dependency.as_str()) && !finished.contains(dependency.as_str())
                {
                    return Some(closed(&path, dependency));
                }
                if !finished.contains(dependency.as_str()) {
                    on_path.insert(dependency);
                    path.push((dependency, 0));
                }
            }
        }
        None
    }

    /// Orders work packages of a set so that none comes before what it needs within the set, and
    /// otherwise by id. Members of a cycle come last, by id.
    #[must_use]
    pub fn in_order<'a>(&'a self, set: &BTreeSet<&'a str>) -> Vec<&'a str> {
        let mut waits_for: BTreeMap<&str, usize> = BTreeMap::new();
        let mut dependents: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for id in set {
            let inside = self
                .dependencies(id)
                .iter()
                .filter(|id| set.contains(id.as_str()));
            let mut count = 0;
            for dependency in inside {
                count += 1;
                dependents.entry(dependency).or_default().push(id);
            }
            waits_for.insert(id, count);
        }
        let mut ready: BTreeSet<&str> = waits_for
            .iter()
            .filter(|(_, count)| **count == 0)
            .map(|(id, _)| *id)
            .collect();
        let mut order = Vec::with_capacity(set.len());
        while let Some(id) = ready.pop_first() {
            order.push(id);
            waits_for.remove(id);
            for dependent in dependents.get(id).into_iter().flatten() {
                if let Some(count) = waits_for.get_mut(dependent) {
                    *count -= 1;
                    if *count == 0 {
                        ready.insert(dependent);
                    }
                }
            }
        }
        order.extend(waits_for.keys());
        order
    }

    /// Tells whether one work package needs the other, directly or through others.
    #[must_use]
    pub fn reaches(&self, wp_id: &str, other: &str) -> bool {
        let mut seen = BTreeSet::new();
        let mut open = vec![wp_id];
        while let Some(id) = open.pop() {
            for dependency in self.dependencies(id) {
                if dependency == other {
                    return true;
                }
                if seen.insert(dependency.as_str()) {
                    open.push(dependency);
                }
            }
        }
        false
    }
}

/// Closes a path at the node it came back to, beginning with the smallest name.
fn closed(path: &[(&str, usize)], back_to: &str) -> Cycle {
    let start = path
        .iter()
        .position(|(node, _)| *node == back_to)
        .unwrap_or(0);
    let mut names: Vec<String> = path[start..]
        .iter()
        .map(|(node, _)| (*node).to_owned())
        .collect();
    let smallest = names
        .iter()
        .enumerate()
        .min_by_key(|(_, name)| *name)
        .map_or(0, |(at, _)| at);
    names.rotate_left(smallest);
    names.push(names[0].clone());
    Cycle(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(&str, &[&str])]) -> DependencyGraph {
        edges
            .iter()
            .map(|(id, needs)| (*id, needs.to_vec()))
            .collect()
    }

    #[test]
    fn a_cycle_is_told_as_a_closed_path_from_its_smallest_name() {
        for (edges, path) in [
            (&[("WP01", &["WP01"][..])][..], "WP01 \u{2192} WP01"),
            (
                &[
                    ("WP01", &["WP03"]),
                    ("WP02", &["WP01"]),
                    ("WP03", &["WP02"]),
                ],
                "WP01 \u{2192} WP03 \u{2192} WP02 \u{2192} WP01",
            ),
            (
                &[
                    ("WP01", &["WP03"]),
                    ("WP02", &["WP03"]),
                    ("WP03", &["WP02"]),
                ],
                "WP02 \u{2192} WP03 \u{2192} WP02",
            ),
        ] {
            let problem = graph(edges).check().unwrap_err().to_string();
            assert!(
                problem.starts_with(&format!("Circular dependency detected: {path}:")),
                "{problem}"
            );
        }
    }

    #[test]
    fn a_diamond_is_no_cycle_and_an_unknown_name_is_a_problem() {
        let diamond = graph(&[
            ("WP01", &[]),
            ("WP02", &["WP01"]),
            ("WP03", &["WP01"]),
            ("WP04", &["WP03", "WP02"]),
        ]);
        assert_eq!(diamond.check(), Ok(()));
        assert_eq!(diamond.dependents("WP01"), ["WP02", "WP03"]);
        assert!(diamond.reaches("WP04", "WP01") && !diamond.reaches("WP01", "WP04"));
        let unknown = graph(&[("WP01", &["WP09"])]).check().unwrap_err();
        assert_eq!(
            unknown.to_string(),
            "WP01: dependency WP09 not found in graph"
        );
    }

    #[test]
    fn the_order_puts_needs_first_and_leaves_the_rest_by_id() {
        let graph = graph(&[
            ("WP01", &["WP03"]),
            ("WP02", &[]),
            ("WP03", &["WP09"]),
            ("WP04", &["WP05"]),
            ("WP05", &["WP04"]),
        ]);
        let all: BTreeSet<&str> = graph.ids().collect();
        assert_eq!(
            graph.in_order(&all),
            ["WP02", "WP03", "WP01", "WP04", "WP05"]
        );
    }

    #[test]
    fn a_long_chain_needs_no_stack() {
        let chain: DependencyGraph = (0..20_000)
            .map(|at| {
                (
                    format!("{at:05}"),
                    vec![format!("{:05}", (at + 1) % 20_000)],
                )
            })
            .collect();
        assert_eq!(chain.cycle().unwrap().0.len(), 20_001);
    }
}

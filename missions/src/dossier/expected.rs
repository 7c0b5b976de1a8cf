//! Which artifacts are expected of a mission, by its type: the lists of the Python CLI 3.2.7, as data.

use super::ArtifactClass;
use ArtifactClass::{Evidence, Input, Output, Runtime, Workflow};

/// One artifact that a mission may or must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// Its stable name.
    pub key: &'static str,
    /// Its class.
    pub class: ArtifactClass,
    /// Where it is, relative to the mission's directory; `*` stands for anything, `/` included.
    pub pattern: &'static str,
    /// The step that needs it; `None` where it is optional.
    pub step: Option<&'static str>,
    /// Whether the step cannot end without it.
    pub blocking: bool,
}

/// What is expected of missions of one type; what is required comes first.
#[derive(Debug, Clone, Copy)]
pub struct Manifest {
    /// The type.
    pub mission_type: &'static str,
    /// Part of the mission's name to a Teamspace.
    pub version: &'static str,
    /// The artifacts.
    pub artifacts: &'static [Expected],
}

impl Manifest {
    /// Returns the list for a type; there is none for types that are not built in.
    #[must_use]
    pub fn of(mission_type: &str) -> Option<&'static Self> {
        MANIFESTS
            .iter()
            .find(|manifest| manifest.mission_type == mission_type)
    }

    /// Tells whether an artifact of this name is needed at any step.
    #[must_use]
    pub fn requires(&self, key: &str) -> bool {
        let mut artifacts = self.artifacts.iter();
        artifacts.any(|expected| expected.key == key && expected.step.is_some())
    }

    /// Returns what a step needs.
    pub fn at<'s>(&self, step: &'s str) -> impl Iterator<Item = &'static Expected> + use<'s> {
        let artifacts = self.artifacts.iter();
        artifacts.filter(move |expected| expected.step == Some(step))
    }
}

const fn needed(
    step: &'static str,
    key: &'static str,
    class: ArtifactClass,
    pattern: &'static str,
) -> Expected {
    Expected {
        key,
        class,
        pattern,
        step: Some(step),
        blocking: true,
    }
}

const fn optional(key: &'static str, class: ArtifactClass, pattern: &'static str) -> Expected {
    Expected {
        key,
        class,
        pattern,
        step: None,
        blocking: false,
    }
}

const LINT: Expected = optional("runtime.charter-lint.decay", Runtime, "lint-report.json");

const MANIFESTS: [Manifest; 4] = [
    Manifest {
        mission_type: "software-dev",
        version: "1",
        artifacts: &[
            needed("specify", "input.spec.main", Input, "spec.md"),
            needed("plan", "output.plan.main", Output, "plan.md"),
            needed("tasks_outline", "output.tasks.list", Output, "tasks.md"),
            needed(
                "tasks_packages",
                "output.tasks.per_wp",
                Output,
                "tasks/WP*.md",
            ),
            needed(
                "tasks_finalize",
                "output.tasks.per_wp",
                Output,
                "tasks/WP*.md",
            ),
            optional("evidence.research", Evidence, "research.md"),
            optional("evidence.gap-analysis", Evidence, "gap-analysis.md"),
            optional("evidence.quickstart", Evidence, "quickstart.md"),
            optional("evidence.data-model", Evidence, "data-model.md"),
            LINT,
        ],
    },
    Manifest {
        mission_type: "research",
        version: "1",
        artifacts: &[
            needed("scoping", "input.spec.research", Input, "spec.md"),
            needed(
                "methodology",
                "workflow.plan.methodology",
                Workflow,
                "plan.md",
            ),
            needed(
                "gathering",
                "evidence.source-register",
                Evidence,
                "source-register.csv",
            ),
            needed("synthesis", "output.findings.main", Output, "findings.md"),
            needed("output", "output.report.publication", Output, "report.md"),
            optional("evidence.methodology.detailed", Evidence, "methodology.md"),
            optional("evidence.synthesis.notes", Evidence, "synthesis.md"),
            optional(
                "evidence.literature-review",
                Evidence,
                "literature-review.md",
            ),
            optional("evidence.gap-analysis", Evidence, "gap-analysis.md"),
            optional("evidence.research-log", Evidence, "research.md"),
            LINT,
        ],
    },
    Manifest {
        mission_type: "plan",
        version: "1",
        artifacts: &[
            needed("goals", "output.goals.main", Output, "goals.md"),
            needed("research", "evidence.research", Evidence, "research.md"),
            needed("draft", "output.plan.main", Output, "plan.md"),
        ],
    },
    Manifest {
        mission_type: "documentation",
        version: "1",
        artifacts: &[
            needed("discover", "input.spec.documentation", Input, "spec.md"),
            needed(
                "audit",
                "evidence.gap-analysis",
                Evidence,
                "gap-analysis.md",
            ),
            needed("design", "workflow.plan.documentation", Workflow, "plan.md"),
            Expected {
                blocking: false,
                ..needed("generate", "output.docs.generated", Output, "docs/**/*.md")
            },
            needed(
                "validate",
                "evidence.audit-report",
                Evidence,
                "audit-report.md",
            ),
            needed("publish", "output.release.main", Output, "release.md"),
            optional("evidence.research", Evidence, "research.md"),
            optional("evidence.data-model", Evidence, "data-model.md"),
            optional("evidence.quickstart", Evidence, "quickstart.md"),
            optional("evidence.audit-report", Evidence, "audit-report.md"),
            LINT,
        ],
    },
];

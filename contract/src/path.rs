//! Where in a document the walk stands: a list that lives on the stack.

use std::fmt;

/// One step from a container into one of its values.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Segment<'p> {
    Key(&'p str),
    Index(usize),
}

/// The way from the document's root to a value; the root has no parent and no segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path<'p> {
    parent: Option<&'p Path<'p>>,
    segment: Segment<'p>,
    /// The number of containers around the value.
    depth: usize,
}

impl<'p> Path<'p> {
    pub(crate) const ROOT: Path<'static> = Path {
        parent: None,
        segment: Segment::Index(0),
        depth: 0,
    };

    #[inline]
    pub(crate) fn key(&'p self, name: &'p str) -> Self {
        Path {
            parent: Some(self),
            segment: Segment::Key(name),
            depth: self.depth + 1,
        }
    }

    #[inline]
    pub(crate) fn index(&'p self, index: usize) -> Self {
        Path {
            parent: Some(self),
            segment: Segment::Index(index),
            depth: self.depth + 1,
        }
    }

    #[inline]
    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    /// A copy that outlives the walk.
    #[cold]
    pub(crate) fn to_location(self) -> Location {
        let mut steps = Vec::with_capacity(self.depth);
        let mut here = &self;
        while let Some(parent) = here.parent {
            steps.push(match here.segment {
                Segment::Key(name) => Step::Key(name.to_owned()),
                Segment::Index(index) => Step::Index(index),
            });
            here = parent;
        }
        steps.reverse();
        Location(steps)
    }
}

/// One owned step of a [`Location`]. Keys order by code point, which is the order of their bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Index(usize),
    Key(String),
}

/// An owned path, ordered as the README's "Which violation is reported" orders fields.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Location(Vec<Step>);

impl fmt::Display for Location {
    /// The dotted form; the root is `$`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return formatter.write_str("$");
        }
        for (position, step) in self.0.iter().enumerate() {
            if position > 0 {
                formatter.write_str(".")?;
            }
            match step {
                Step::Key(name) => formatter.write_str(name)?,
                Step::Index(index) => write!(formatter, "{index}")?,
            }
        }
        Ok(())
    }
}

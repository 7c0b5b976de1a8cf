//! Rows of measurements, and printing them.

use crate::Size;
use crate::measure::Samples;
use serde_json::{Value, json};
use std::io::{self, Write};

/// What a row must reach.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Target {
    /// Nothing; it is there to be known.
    None,
    /// The value itself.
    AtMost(f64),
    /// The value itself.
    AtLeast(f64),
    /// Ours divided by the floor.
    RatioAtMost(f64),
    /// The peer divided by ours: how many times better.
    TimesBetter(f64),
}

/// One measurement.
#[derive(Debug, Clone)]
pub struct Row {
    /// What it belongs to.
    pub subject: &'static str,
    /// What was measured.
    pub name: String,
    /// Of both values.
    pub unit: &'static str,
    /// The median and the smallest value; `None` when the row was skipped.
    pub ours: Option<(f64, f64)>,
    /// What it is compared with, its median and its smallest value.
    pub floor: Option<(String, f64, f64)>,
    /// What is to be reached.
    pub target: Target,
    /// Why it was skipped, or what else is to be known.
    pub note: String,
}

impl Row {
    /// Creates a row without a floor.
    pub fn new(
        subject: &'static str,
        name: impl Into<String>,
        unit: &'static str,
        ours: &Samples,
    ) -> Self {
        Self {
            subject,
            name: name.into(),
            unit,
            ours: Some((ours.median(), ours.min())),
            floor: None,
            target: Target::None,
            note: String::new(),
        }
    }

    /// Creates a row that was not measured.
    pub fn skipped(subject: &'static str, name: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            ours: None,
            note: format!("skipped: {}", why.into()),
            ..Self::new(subject, name, "", &Samples::default())
        }
    }

    /// Adds what it is compared with.
    #[must_use]
    pub fn beside(mut self, name: impl Into<String>, floor: &Samples) -> Self {
        self.floor = Some((name.into(), floor.median(), floor.min()));
        self
    }

    /// Adds what is to be reached.
    #[must_use]
    pub const fn target(mut self, target: Target) -> Self {
        self.target = target;
        self
    }

    /// Adds a remark.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// Returns ours divided by the floor.
    pub fn ratio(&self) -> Option<f64> {
        let (ours, _) = self.ours?;
        let (_, floor, _) = self.floor.as_ref()?;
        Some(ours / floor)
    }

    /// Tells whether the target was reached, if there is one and the row was measured.
    pub fn met(&self) -> Option<bool> {
        let (ours, _) = self.ours?;
        match self.target {
            Target::None => None,
            Target::AtMost(limit) => Some(ours <= limit),
            Target::AtLeast(limit) => Some(ours >= limit),
            Target::RatioAtMost(limit) => self.ratio().map(|ratio| ratio <= limit),
            Target::TimesBetter(limit) => self.ratio().map(|ratio| 1.0 / ratio >= limit),
        }
    }

    fn cells(&self) -> [String; 6] {
        let with_unit = |value: f64| format!("{} {}", short(value), self.unit);
        let target = match self.target {
            Target::None => String::new(),
            Target::AtMost(limit) => format!("≤ {}", with_unit(limit)),
            Target::AtLeast(limit) => format!("≥ {}", with_unit(limit)),
            Target::RatioAtMost(limit) => format!("≤ {} ×", short(limit)),
            Target::TimesBetter(limit) => format!("1/{}", short(limit)),
        };
        let verdict = match (self.ours, self.met()) {
            (None, _) => "skipped",
            (_, None) => "",
            (_, Some(true)) => "met",
            (_, Some(false)) => "MISSED",
        };
        [
            format!("{}: {}", self.subject, self.name),
            self.ours
                .map_or_else(String::new, |(median, _)| with_unit(median)),
            self.floor
                .as_ref()
                .map_or_else(String::new, |(name, median, _)| {
                    format!("{} ({name})", with_unit(*median))
                }),
            self.ratio().map_or_else(String::new, ratio_text),
            target,
            verdict.to_owned(),
        ]
    }
}

/// Every row of a run.
#[derive(Debug)]
pub struct Report {
    /// How much was measured.
    pub size: Size,
    /// In the order of measuring.
    pub rows: Vec<Row>,
}

/// The heads of the table.
pub const HEADS: [&str; 6] = [
    "measurement",
    "ours",
    "floor or peer",
    "ratio",
    "target",
    "",
];

impl Report {
    /// Creates an empty one.
    pub const fn new(size: Size) -> Self {
        Self {
            size,
            rows: Vec::new(),
        }
    }

    /// Adds a row and says so, because a run takes minutes.
    pub fn add(&mut self, row: Row) {
        // Whoever closed stderr does not want to know.
        let _ = writeln!(io::stderr(), "{}", row.cells().join("  "));
        self.rows.push(row);
    }

    /// Returns the table's cells.
    pub fn table(&self) -> Vec<[String; 6]> {
        self.rows.iter().map(Row::cells).collect()
    }

    /// Prints the table.
    ///
    /// # Errors
    /// The writer's.
    pub fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let mut table = vec![HEADS.map(str::to_owned)];
        table.extend(self.table());
        let widths: Vec<usize> = (0..HEADS.len())
            .map(|column| {
                table
                    .iter()
                    .map(|row| row[column].chars().count())
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        writeln!(
            out,
            "medians; smallest values and notes are in the JSON report ({:?} run)\n",
            self.size
        )?;
        for row in &table {
            let cells = row.iter().zip(&widths);
            let line: Vec<String> = cells
                .map(|(cell, width)| format!("{cell:<width$}"))
                .collect();
            writeln!(out, "{}", line.join("  ").trim_end())?;
        }
        for row in self.rows.iter().filter(|row| !row.note.is_empty()) {
            writeln!(out, "* {}: {}", row.name, row.note)?;
        }
        Ok(())
    }

    /// Returns the report as JSON.
    pub fn json(&self) -> String {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                json!({
                    "subject": row.subject, "name": row.name, "unit": row.unit,
                    "median": row.ours.map(|(median, _)| median),
                    "min": row.ours.map(|(_, min)| min),
                    "floor": row.floor.as_ref().map(|(name, median, min)| json!({
                        "name": name, "median": median, "min": min,
                    })),
                    "ratio": row.ratio(), "target": format!("{:?}", row.target), "met": row.met(),
                    "note": row.note,
                })
            })
            .collect();
        let report = json!({"size": format!("{:?}", self.size), "rows": rows});
        format!("{report:#}\n")
    }
}

/// Prints a number with three digits that matter.
pub fn short(value: f64) -> String {
    let size = value.abs();
    if size >= 100.0 {
        format!("{value:.0}")
    } else if size >= 10.0 {
        format!("{value:.1}")
    } else if size > 0.0 {
        format!("{value:.2}")
    } else {
        "0".to_owned()
    }
}

fn ratio_text(ratio: f64) -> String {
    if ratio < 0.1 {
        format!("1/{}", short(1.0 / ratio))
    } else {
        format!("{ratio:.2} ×")
    }
}

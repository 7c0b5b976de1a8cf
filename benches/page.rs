//! The report as one page: the table and plots, nothing to be fetched.

use crate::report::{HEADS, Report, Row, Target};
use plotters::prelude::*;
use std::error::Error;
use std::fmt::Write as _;
use std::io;

const OURS: RGBColor = RGBColor(38, 102, 170);
const FLOOR: RGBColor = RGBColor(200, 130, 40);
const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:70em;color:#222}\
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.3em .8em;border-bottom:1px solid #ddd}\
.met{color:#1a7f37}.MISSED{color:#c62828;font-weight:bold}.skipped{color:#777}svg{max-width:100%;height:auto}";

/// Builds the page.
///
/// # Errors
/// When a plot cannot be drawn.
pub fn html(report: &Report) -> io::Result<String> {
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>spec-kitty: measurements</title>\
         <style>{STYLE}</style><h1>Measurements</h1><p>Medians of one run ({:?}); what is compared was \
         measured in turn. Trust ratios over absolutes.</p>",
        report.size
    );
    page.push_str(&table(report));
    for (title, rows) in plots(report) {
        let svg = bars(&rows).map_err(|error| io::Error::other(error.to_string()))?;
        let _ = write!(page, "<h2>{}</h2>{svg}", escape(&title));
    }
    page.push_str("</html>\n");
    Ok(page)
}

fn table(report: &Report) -> String {
    let mut html = "<table><tr>".to_owned();
    for head in HEADS {
        let _ = write!(html, "<th>{head}</th>");
    }
    for (row, cells) in report.rows.iter().zip(report.table()) {
        let _ = write!(html, "</tr><tr title=\"{}\">", escape(&row.note));
        for cell in &cells[..5] {
            let _ = write!(html, "<td>{}</td>", escape(cell));
        }
        let _ = write!(html, "<td class=\"{0}\">{0}</td>", cells[5]);
    }
    html.push_str("</tr></table>");
    html
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}

/// Groups what was compared, by subject and unit: one plot has one scale.
fn plots(report: &Report) -> Vec<(String, Vec<&Row>)> {
    let mut plots: Vec<(String, Vec<&Row>)> = Vec::new();
    for row in report.rows.iter().filter(|row| row.floor.is_some()) {
        let title = format!("{} ({})", row.subject, row.unit);
        match plots.iter_mut().find(|(known, _)| *known == title) {
            Some((_, rows)) => rows.push(row),
            None => plots.push((title, vec![row])),
        }
    }
    plots
}

/// Draws a pair of horizontal bars for each row, on a logarithmic scale.
fn bars(rows: &[&Row]) -> Result<String, Box<dyn Error>> {
    let values = rows
        .iter()
        .flat_map(|row| pair(row))
        .filter(|value| *value > 0.0);
    let (least, most) = values.fold((f64::MAX, 0.0_f64), |(least, most), value| {
        (least.min(value), most.max(value))
    });
    let (from, to) = (least / 2.0, most * 2.0);
    let count = i32::try_from(rows.len())?;
    let mut svg = String::new();
    {
        let height = 70 + 46 * u32::try_from(rows.len())?;
        let area = SVGBackend::with_string(&mut svg, (1000, height)).into_drawing_area();
        let mut chart = ChartBuilder::on(&area)
            .margin(10)
            .x_label_area_size(30)
            .y_label_area_size(20)
            .build_cartesian_2d((from..to).log_scale(), 0..count * 4)?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .disable_y_axis()
            .x_labels(8)
            .draw()?;
        for (at, row) in (0..).zip(rows) {
            let bottom = (count - 1 - at) * 4;
            let [ours, floor] = pair(row);
            chart.draw_series([
                Rectangle::new([(from, bottom + 1), (ours, bottom + 2)], OURS.filled()),
                Rectangle::new([(from, bottom), (floor, bottom + 1)], FLOOR.filled()),
            ])?;
            let label = format!(
                "{}: ours {}, {} {}",
                row.name,
                crate::report::short(ours),
                floor_name(row),
                crate::report::short(floor)
            );
            chart.draw_series([Text::new(
                label,
                (from * 1.02, bottom + 3),
                ("sans-serif", 13).into_font(),
            )])?;
            if let Target::AtMost(limit) | Target::AtLeast(limit) = row.target
                && (from..to).contains(&limit)
            {
                chart.draw_series([PathElement::new(
                    [(limit, bottom), (limit, bottom + 2)],
                    RED.stroke_width(2),
                )])?;
            }
        }
        area.present()?;
    }
    Ok(svg)
}

fn pair(row: &Row) -> [f64; 2] {
    let ours = row.ours.map_or(0.0, |(median, _)| median);
    [
        ours,
        row.floor.as_ref().map_or(0.0, |(_, median, _)| *median),
    ]
}

fn floor_name(row: &Row) -> &str {
    row.floor.as_ref().map_or("", |(name, ..)| name)
}

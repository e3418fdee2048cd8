//! The plots: SVG, one of bars for each question that several peers answered, and lines for what grows.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::peer::Result;
use crate::report::{Row, size_text};

const SIZE: (u32, u32) = (760, 420);
const OURS: RGBColor = RGBColor(0xd6, 0x45, 0x27);
const LIMIT: RGBColor = RGBColor(0x7a, 0x7a, 0x7a);
const THEIRS: RGBColor = RGBColor(0x4c, 0x78, 0xa8);
/// One for each line: told apart by those who see colours differently (Okabe and Ito, 2008; those below by Tol, 2018).
const LINES: [(&str, RGBColor); 11] = [
    ("mediacask", OURS),
    ("raw", LIMIT),
    ("rawpre", RGBColor(0xbb, 0xbb, 0xbb)),
    ("fs", RGBColor(0x00, 0x00, 0x00)),
    ("sqlite", RGBColor(0x00, 0x72, 0xb2)),
    ("lmdb", RGBColor(0x00, 0x9e, 0x73)),
    ("redb", RGBColor(0xcc, 0x79, 0xa7)),
    ("fjall", RGBColor(0x56, 0xb4, 0xe9)),
    ("rocksdb", RGBColor(0xe6, 0x9f, 0x00)),
    ("cacache", RGBColor(0x99, 0x99, 0x33)),
    ("sled", RGBColor(0x33, 0x22, 0x88)),
];

type Series = Vec<(&'static str, Vec<(f64, f64)>)>;

/// Draws everything into a directory; says which files.
pub fn all(rows: &[Row], dir: &Path) -> Result<Vec<PathBuf>> {
    std::fs::create_dir_all(dir)?;
    let mut made = Vec::new();
    let mut questions: BTreeMap<(&str, u64, u64, Option<u64>), Vec<&Row>> = BTreeMap::new();
    for row in rows {
        questions.entry((row.work, row.size, row.threads, row.names)).or_default().push(row);
    }
    for ((work, size, threads, names), rows) in questions.iter().filter(|(_, rows)| rows.len() > 1) {
        let of_names = names.map(|names| format!("-{names}")).unwrap_or_default();
        let path = dir.join(format!("{work}-{size}-{threads}{of_names}.svg"));
        let threads = if *threads == 1 { "1 thread".to_owned() } else { format!("{threads} threads") };
        let names = names.map(|names| format!(", {names} names")).unwrap_or_default();
        bars(&path, &format!("{work}: {}, {threads}{names}; operations a second", size_text(*size)), rows)
            .map_err(|error| error.to_string())?;
        made.push(path);
    }
    for (file, title, what, series) in curves(rows) {
        if series.iter().any(|(_, points)| points.len() > 1) {
            let path = dir.join(format!("{file}.svg"));
            lines(&path, title, what, &series).map_err(|error| error.to_string())?;
            made.push(path);
        }
    }
    Ok(made)
}

/// What grows: file, title, what it grows by, and the lines.
fn curves(rows: &[Row]) -> Vec<(&'static str, &'static str, &'static str, Series)> {
    let by_writers = |figure: fn(&Row) -> f64| {
        series(rows, |row| {
            let is_one = row.work == "put" && row.size == 16 << 10 && row.names.is_none();
            is_one.then(|| (row.threads as f64, figure(row)))
        })
    };
    let by_names = |work: &'static str, figure: fn(&Row) -> Option<f64>| {
        series(rows, move |row| Some((row.names.filter(|_| row.work == work)? as f64, figure(row)?)))
    };
    let micros: fn(&Row) -> Option<f64> = |row| Some(1e6 / row.ops_per_s);
    let millis: fn(&Row) -> Option<f64> = |row| Some(row.p50_us / 1e3);
    let megabytes: fn(&Row) -> Option<f64> = |row| Some(row.memory_bytes? as f64 / 1e6);
    vec![
        (
            "writers",
            "Durable puts of 16 KiB: operations a second by writers",
            "writers",
            by_writers(|row| row.ops_per_s),
        ),
        (
            "writers-p99",
            "Durable puts of 16 KiB: p99 in microseconds by writers",
            "writers",
            by_writers(|row| row.p99_us),
        ),
        ("names-load", "Loading by thousands: microseconds a name, by names", "names", by_names("load", micros)),
        ("names-get", "A lookup: microseconds by names", "names", by_names("get_slice", micros)),
        ("names-list", "Listing: microseconds a name, by names", "names", by_names("list", micros)),
        ("names-put", "A durable put of 16 KiB: microseconds by names", "names", by_names("put", micros)),
        ("names-open", "Opening until the first get: milliseconds by names", "names", by_names("open", millis)),
        ("names-killed", "Opening after kill -9: milliseconds by names", "names", by_names("open_killed", millis)),
        ("names-memory", "Memory, opened and listed: MB by names", "names", by_names("open_list", megabytes)),
    ]
}

fn series(rows: &[Row], point: impl Fn(&Row) -> Option<(f64, f64)>) -> Series {
    let mut series: Series = Vec::new();
    for row in rows {
        let Some(point) = point(row).filter(|(x, y)| *x > 0.0 && *y > 0.0) else { continue };
        match series.iter_mut().find(|(peer, _)| *peer == row.peer) {
            Some((_, points)) => points.push(point),
            None => series.push((row.peer, vec![point])),
        }
    }
    for (_, points) in &mut series {
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    series
}

/// A number as an axis shows it.
fn short(value: f64) -> String {
    match value {
        1e6.. => format!("{:.3} M", value / 1e6).replace(".000", ""),
        1e3.. => format!("{:.3} k", value / 1e3).replace(".000", ""),
        1.0.. => format!("{value:.0}"),
        ..=0.0 => "0".to_owned(),
        _ => format!("{value:.3}"),
    }
}

fn canvas(path: &Path) -> Result<DrawingArea<SVGBackend<'_>, Shift>, Box<dyn Error>> {
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    Ok(area)
}

/// A bar for each peer, the fastest first.
fn bars(path: &Path, title: &str, rows: &[&Row]) -> Result<(), Box<dyn Error>> {
    let mut rows = rows.to_vec();
    rows.sort_by(|a, b| a.ops_per_s.total_cmp(&b.ops_per_s));
    let most = rows.last().map_or(1.0, |row| row.ops_per_s).max(1e-9);
    let count = rows.len() as f64;
    let area = canvas(path)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(30)
        .y_label_area_size(110)
        .build_cartesian_2d(0.0..most * 1.12, 0.0..count)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .disable_y_axis()
        .light_line_style(WHITE)
        .x_label_formatter(&|value| short(*value))
        .draw()?;
    for (place, row) in rows.iter().enumerate() {
        let place = place as f64;
        let colour = match row.peer {
            "mediacask" | "mediacask-once" => OURS,
            "raw" | "rawpre" => LIMIT,
            _ => THEIRS,
        };
        let bar = Rectangle::new([(0.0, place + 0.15), (row.ops_per_s, place + 0.85)], colour.filled());
        chart.draw_series(std::iter::once(bar))?;
        let label = |text: String, x: f64, dx: i32| {
            EmptyElement::at((x, place + 0.5)) + Text::new(text, (dx, -6), ("sans-serif", 13))
        };
        chart.draw_series(std::iter::once(label(short(row.ops_per_s), row.ops_per_s, 4)))?;
        chart.draw_series(std::iter::once(label(row.peer.to_owned(), 0.0, -104)))?;
    }
    area.present()?;
    Ok(())
}

/// A line for each peer; both axes go by factors.
fn lines(path: &Path, title: &str, what: &str, series: &Series) -> Result<(), Box<dyn Error>> {
    let all = || series.iter().flat_map(|(_, points)| points);
    let span = |values: &dyn Fn(&(f64, f64)) -> f64, above: f64| {
        let least = all().map(values).fold(f64::INFINITY, f64::min);
        let most = all().map(values).fold(0.0, f64::max);
        (least / 1.2)..(most * above)
    };
    // Room at the right for the legend: a fourth of the width, which goes by factors.
    let (least, most) =
        all().fold((f64::INFINITY, 0.0_f64), |(least, most), point| (least.min(point.0), most.max(point.0)));
    let beside = 1.2 * (most / least).powf(0.33);
    let area = canvas(path)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(64)
        .build_cartesian_2d(span(&|point| point.0, beside).log_scale(), span(&|point| point.1, 1.2).log_scale())?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .x_desc(what)
        .x_label_formatter(&|value| short(*value))
        .y_label_formatter(&|value| short(*value))
        .draw()?;
    for (peer, points) in series {
        let colour = LINES.iter().find(|(known, _)| known == peer).map_or(THEIRS, |(_, colour)| *colour);
        let width = if *peer == "mediacask" { 3 } else { 1 };
        let style = colour.stroke_width(width);
        chart
            .draw_series(LineSeries::new(points.iter().copied(), style).point_size(3))?
            .label(*peer)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
    }
    chart.configure_series_labels().background_style(WHITE.mix(0.8)).border_style(BLACK).draw()?;
    area.present()?;
    Ok(())
}

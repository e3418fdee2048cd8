//! Is the report whole? Read back as whoever uses it would: every work done, by every peer that takes part in it, with
//! every figure there.

use std::path::Path;

use serde_json::Value;

use crate::peer::{Kind, Result, Role};

/// A work that must be there, and who takes part.
type Work = (&'static str, fn(&Kind) -> bool);

const WORKS: [Work; 10] = [
    ("put", |kind| kind.role != Role::Reads),
    ("put_recycled", |kind| ["mediacask", "rawpre"].contains(&kind.name)),
    ("get_slice", |_| true),
    ("get_bytes", |_| true),
    ("range", |_| true),
    ("list", |kind| kind.role == Role::Store),
    ("open", |kind| kind.role == Role::Store),
    ("churn", |kind| kind.role != Role::Reads),
    ("dedup", |kind| kind.role != Role::Reads),
    ("expire", |kind| kind.role == Role::Store),
];

/// Figures of each row: whether one may be 0, as what takes less than a nanosecond is.
const FIGURES: [(&str, bool); 7] = [
    ("size", false),
    ("threads", false),
    ("ops", false),
    ("ops_per_s", false),
    ("p50_us", true),
    ("p99_us", true),
    ("max_us", true),
];

/// What is wrong with a `peers.json`, a sentence each. `kinds` are those that were asked.
pub fn faults(path: &Path, kinds: &[Kind]) -> Result<Vec<String>> {
    let rows: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(path)?)?;
    let mut faults: Vec<String> = rows.iter().filter_map(fault_of).collect();
    for (work, takes_part) in WORKS {
        for kind in kinds.iter().filter(|kind| takes_part(kind)) {
            if !rows.iter().any(|row| row["work"] == work && row["peer"] == kind.name) {
                faults.push(format!("there is no row of {work} by {}", kind.name));
            }
        }
    }
    Ok(faults)
}

fn fault_of(row: &Value) -> Option<String> {
    for field in ["work", "peer"] {
        if row[field].as_str().is_none_or(str::is_empty) {
            return Some(format!("a row has no {field}: {row}"));
        }
    }
    for (field, may_be_zero) in FIGURES {
        if !row[field].as_f64().is_some_and(|figure| figure > 0.0 || (may_be_zero && figure == 0.0)) {
            return Some(format!("a row has no {field}: {row}"));
        }
    }
    let in_order = row["p50_us"].as_f64() <= row["p99_us"].as_f64() && row["p99_us"].as_f64() <= row["max_us"].as_f64();
    (!in_order).then(|| format!("the percentiles of a row are in no order: {row}"))
}

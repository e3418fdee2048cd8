//! How results look: JSON objects a line at a time, or lines for a person.
//!
//! A closed pipe behind standard output ends the command quietly ([`Failure::ReaderGone`]).

use std::collections::BTreeMap;
use std::fmt::{Arguments, Write as _};
use std::io::{self, BufWriter, IsTerminal as _, Stdout, Write};
use std::time::SystemTime;

use jiff::Timestamp;
use mediacask::Entry;
use serde::Serialize;

use crate::failure::Failure;

/// Standard output, buffered, and the choice between JSON and text.
pub(crate) struct Out {
    json: bool,
    colour: bool,
    to: BufWriter<Stdout>,
}

impl Out {
    /// Standard output; colours only where a terminal shows them and `NO_COLOR` is not set.
    pub(crate) fn new(json: bool) -> Out {
        let colour = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Out { json, colour, to: BufWriter::new(io::stdout()) }
    }

    /// Whether results go out as JSON.
    pub(crate) fn json(&self) -> bool {
        self.json
    }

    /// One line of text.
    pub(crate) fn line(&mut self, text: Arguments<'_>) -> Result<(), Failure> {
        written(self.to.write_fmt(text).and_then(|()| self.to.write_all(b"\n")))
    }

    /// One object on a line of its own.
    pub(crate) fn object(&mut self, object: &impl Serialize) -> Result<(), Failure> {
        let written_object = serde_json::to_writer(&mut self.to, object).map_err(io::Error::from);
        written(written_object.and_then(|()| self.to.write_all(b"\n")))
    }

    /// Content as it is.
    pub(crate) fn bytes(&mut self, content: &[u8]) -> Result<(), Failure> {
        written(self.to.write_all(content))
    }

    /// Hands all of it on.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        written(self.to.flush())
    }

    /// `text` in a colour (an SGR code), where colours are shown.
    pub(crate) fn paint(&self, sgr: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{sgr}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

fn written(result: io::Result<()>) -> Result<(), Failure> {
    result.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::ReaderGone,
        _ => Failure::Other(format!("cannot write to standard output: {error}")),
    })
}

/// An entry as JSON: the same fields as in every other face.
#[derive(Serialize)]
pub(crate) struct EntryObject<'a> {
    name: &'a str,
    digest: String,
    size: u64,
    content_type: Option<&'a str>,
    cache_control: Option<&'a str>,
    content_disposition: Option<&'a str>,
    metadata: &'a BTreeMap<String, String>,
    created_at: String,
    updated_at: String,
    expires_at: Option<String>,
    generation: u64,
}

impl<'a> From<&'a Entry> for EntryObject<'a> {
    fn from(entry: &'a Entry) -> EntryObject<'a> {
        EntryObject {
            name: &entry.name,
            digest: entry.digest.to_string(),
            size: entry.size,
            content_type: entry.content_type.as_deref(),
            cache_control: entry.cache_control.as_deref(),
            content_disposition: entry.content_disposition.as_deref(),
            metadata: &entry.metadata,
            created_at: rfc3339(entry.created_at),
            updated_at: rfc3339(entry.updated_at),
            expires_at: entry.expires_at.map(rfc3339),
            generation: entry.generation,
        }
    }
}

/// What a write left behind, in one line.
pub(crate) fn sentence(verb: &str, entry: &Entry) -> String {
    let mut text =
        format!("{verb} {}  {}  {}", printable(&entry.name), size(entry.size), &entry.digest.to_string()[..16]);
    if let Some(content_type) = &entry.content_type {
        let _ = write!(text, "  {}", printable(content_type));
    }
    if let Some(instant) = entry.expires_at {
        let _ = write!(text, "  until {}", rfc3339(instant));
    }
    text
}

/// All facts of an entry, one a line.
pub(crate) fn facts(entry: &Entry) -> String {
    let mut rows = vec![
        ("name", printable(&entry.name)),
        ("digest", entry.digest.to_string()),
        ("size", format!("{} ({} bytes)", size(entry.size), count(entry.size))),
    ];
    let optional = [
        ("content type", &entry.content_type),
        ("cache control", &entry.cache_control),
        ("disposition", &entry.content_disposition),
    ];
    for (label, value) in optional {
        rows.extend(value.as_ref().map(|value| (label, printable(value))));
    }
    for (key, value) in &entry.metadata {
        rows.push(("meta", printable(&format!("{key}={value}"))));
    }
    rows.push(("created", rfc3339(entry.created_at)));
    rows.push(("updated", rfc3339(entry.updated_at)));
    rows.push(("expires", entry.expires_at.map_or("never".into(), rfc3339)));
    rows.push(("generation", entry.generation.to_string()));
    table(&rows)
}

/// Labels and values under each other, without a line end after the last.
pub(crate) fn table(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
    let lines = rows.iter().map(|(label, value)| format!("{label:width$}  {value}"));
    lines.collect::<Vec<_>>().join("\n")
}

/// An instant in RFC 3339, UTC, milliseconds; beyond the year 9999 the last instant it can say.
pub(crate) fn rfc3339(instant: SystemTime) -> String {
    format!("{:.3}", Timestamp::try_from(instant).unwrap_or(Timestamp::MAX))
}

/// Bytes for a person: `512 B`, `1.5 KiB`, `12.0 GiB`.
pub(crate) fn size(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut shift = 0;
    let mut tenths = 0;
    let mut unit = "";
    for next in ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"] {
        shift += 10;
        unit = next;
        tenths = (u128::from(bytes) * 10 + (1u128 << (shift - 1))) >> shift;
        if tenths < 10_240 {
            break;
        }
    }
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

/// A number for a person, its digits in threes: `1,234,567`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 name`, `2,000 names`.
pub(crate) fn counted(number: u64, one: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {one}{ending}", count(number))
}

/// A text of a caller's for a terminal: what would move the cursor, ring, colour or turn the line
/// around is shown as `\u{..}`. Names come from anywhere; none may play with the screen.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        let turns =
            matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if c.is_control() || turns {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn sizes_are_rounded_to_a_tenth_and_never_show_1024_of_a_unit() {
        let shown = [0, 1023, 1024, 1536, 1_048_575, 1_048_576, 5 << 30, u64::MAX].map(size);
        let wanted = ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "1.0 MiB", "1.0 MiB", "5.0 GiB", "16.0 EiB"];
        assert_eq!(shown, wanted);
    }

    #[test]
    fn counts_are_grouped_in_threes() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn times_have_three_digits_after_the_second_and_end_in_z() {
        assert_eq!(rfc3339(UNIX_EPOCH), "1970-01-01T00:00:00.000Z");
        let later = UNIX_EPOCH + Duration::from_millis(1_700_000_000_012);
        assert_eq!(rfc3339(later), "2023-11-14T22:13:20.012Z");
        let beyond = UNIX_EPOCH + Duration::from_secs(1 << 40);
        assert!(rfc3339(beyond).starts_with("9999-12-30T"));
    }

    #[test]
    fn what_would_move_the_cursor_is_spelled_out() {
        assert_eq!(printable("a\x1b[2J\nb\u{202e}c é"), "a\\u{1b}[2J\\u{a}b\\u{202e}c é");
    }
}

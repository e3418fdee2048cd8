//! The filename in a `Content-Disposition` (RFC 6266), for those who want to see it apart.
//!
//! Reads what clients send, not only what they should: parameter names in any case, a missing type, semicolons in
//! quotes, a quote that is never closed. The name is a text for people and never becomes a path.

use std::fmt::Write as _;

/// The name, as `filename*` has it, or else `filename`.
pub(crate) fn filename(disposition: &str) -> Option<String> {
    let (mut plain, mut extended) = (None, None);
    for parameter in parameters(disposition) {
        let Some((key, value)) = parameter.split_once('=') else { continue };
        let (key, value) = (key.trim(), value.trim());
        if key.eq_ignore_ascii_case("filename*") {
            extended = extended.or_else(|| decoded(value));
        } else if key.eq_ignore_ascii_case("filename") {
            plain = plain.or_else(|| Some(unquoted(value)));
        }
    }
    extended.or(plain)
}

/// The parts between semicolons that stand in no quotes.
fn parameters(disposition: &str) -> Vec<&str> {
    let (mut parts, mut begin, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, c) in disposition.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ';' if !quoted => {
                parts.push(&disposition[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&disposition[begin..]);
    parts
}

/// A token as it is, or what stands in quotes without its escapes.
fn unquoted(value: &str) -> String {
    let Some(quoted) = value.strip_prefix('"') else { return value.to_owned() };
    let (mut text, mut chars) = (String::new(), quoted.chars());
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '\\' => text.extend(chars.next()),
            c => text.push(c),
        }
    }
    text
}

/// What `UTF-8''na%C3%AFve.png` stands for (RFC 8187); `None` when it cannot be read.
fn decoded(value: &str) -> Option<String> {
    let (charset, rest) = value.split_once('\'')?;
    let (_, encoded) = rest.split_once('\'')?;
    let bytes: Vec<u8> = percent_encoding::percent_decode_str(encoded).collect();
    if charset.eq_ignore_ascii_case("utf-8") {
        String::from_utf8(bytes).ok()
    } else if charset.eq_ignore_ascii_case("iso-8859-1") {
        let mut text = String::new();
        bytes.iter().try_for_each(|byte| text.write_char(char::from(*byte))).ok()?;
        Some(text)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_found_however_it_is_written() {
        for (disposition, name) in [
            ("attachment; filename=\"contract.pdf\"", "contract.pdf"),
            ("inline; filename=contract.pdf", "contract.pdf"),
            ("ATTACHMENT;FileName=\"a b; c.pdf\";size=3", "a b; c.pdf"),
            ("attachment; filename=\"say \\\"hi\\\" \\\\.txt\"", "say \"hi\" \\.txt"),
            ("attachment; filename=\"x.txt\"; filename*=UTF-8''na%C3%AFve%20%3B.txt", "naïve ;.txt"),
            ("attachment; filename*=utf-8'en'%e2%82%ac.txt; filename=euro.txt", "€.txt"),
            ("attachment; filename*=iso-8859-1''%A3.txt", "£.txt"),
            ("attachment; filename*=UTF-8''%ff; filename=fallback.txt", "fallback.txt"),
            ("attachment; filename*=broken; filename=fallback.txt", "fallback.txt"),
            ("filename=alone", "alone"),
            ("attachment; filename=\"never closed; a", "never closed; a"),
            ("attachment; filename=\"../../x\"", "../../x"),
            ("attachment; filename=\"\"", ""),
            ("attachment; filename = spaced ", "spaced"),
            ("attachment; filename=\"ends in \\", "ends in "),
        ] {
            assert_eq!(filename(disposition).as_deref(), Some(name), "{disposition}");
        }
    }

    #[test]
    fn there_may_be_none() {
        for disposition in ["", "attachment", "inline;", ";;;", "attachment; name=x", "attachment; filename", "\"a;"] {
            assert_eq!(filename(disposition), None, "{disposition}");
        }
    }
}

//! Where a name goes below the directory of an export: a pure mapping from names to safe paths.
//!
//! Names are any text; a path is not. A name made of plain components, like `img/logo.png`, is its
//! own path. Beyond that:
//!
//! 1. In each component `%`, control characters, and the whole of `.` and `..` are written as `%XX`,
//!    the byte in hex; an empty component is `%00`, which no name can hold. The top component that
//!    is the manifest's own name has its first letter written so, too.
//! 2. A name that other names treat as their folder (`t` beside `t/a`) has `%~` at its end.
//! 3. What still has no place (a component over 255 bytes, a path over 2,048, a place the file
//!    system finds taken, as one that ignores case does) goes to `%~HASH` in the directory itself,
//!    where HASH is the BLAKE3 of the name in hex.
//!
//! No two names of an account share a path by 1 and 2, no path leaves the directory, and the
//! manifest says which name each file has.

use std::collections::HashSet;
use std::fmt::Write as _;

use mediacask::Digest;

use crate::manifest::MANIFEST;

/// Longest component, in bytes: `NAME_MAX` of Linux.
const COMPONENT_LEN_MAX: usize = 255;

/// Longest path below the directory, in bytes: half of `PATH_MAX`, so that tools can open it.
const PATH_LEN_MAX: usize = 2048;

/// What marks a name that is also a folder, and a hashed one. Rule 1 never makes it: its `%` is
/// followed by two hex digits.
const MARK: &str = "%~";

/// The places of all names of an account; it knows every folder before the first file is made.
#[derive(Default)]
pub(crate) struct Places {
    folders: HashSet<String>,
}

impl Places {
    /// Learns the folders of a name. All names first, then the places.
    pub(crate) fn learn(&mut self, name: &str) {
        let Some(path) = by_components(name) else {
            return;
        };
        let mut folder = path.as_str();
        while let Some((above, _)) = folder.rsplit_once('/') {
            if !self.folders.insert(above.to_owned()) {
                break;
            }
            folder = above;
        }
    }

    /// The path by rules 1 and 2, where they have one.
    pub(crate) fn path(&self, name: &str) -> Option<String> {
        let mut path = by_components(name)?;
        if self.folders.contains(&path) {
            path.push_str(MARK);
        }
        fits(&path).then_some(path)
    }
}

/// The path by rule 3.
pub(crate) fn hashed(name: &str) -> String {
    format!("{MARK}{}", Digest::of(name.as_bytes()))
}

fn by_components(name: &str) -> Option<String> {
    let mut path = String::with_capacity(name.len());
    for (place, component) in name.split('/').enumerate() {
        if place > 0 {
            path.push('/');
        }
        match component {
            "" => path.push_str("%00"),
            "." => path.push_str("%2E"),
            ".." => path.push_str("%2E%2E"),
            MANIFEST if place == 0 => {
                encode(&MANIFEST[..1], &mut path);
                path.push_str(&MANIFEST[1..]);
            }
            _ => plain(component, &mut path),
        }
    }
    fits(&path).then_some(path)
}

fn plain(component: &str, path: &mut String) {
    for c in component.chars() {
        if c == '%' || c.is_control() {
            encode(c.encode_utf8(&mut [0; 4]), path);
        } else {
            path.push(c);
        }
    }
}

fn encode(text: &str, path: &mut String) {
    for byte in text.bytes() {
        let _ = write!(path, "%{byte:02X}");
    }
}

fn fits(path: &str) -> bool {
    path.len() <= PATH_LEN_MAX && path.split('/').all(|part| part.len() <= COMPONENT_LEN_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(names: &[&str], name: &str) -> Option<String> {
        let mut places = Places::default();
        for name in names {
            places.learn(name);
        }
        places.path(name)
    }

    #[test]
    fn plain_names_are_their_own_paths() {
        for name in ["a", "img/logo.png", "ünï/\u{1f600}", "...", ".hidden", "a b", "c:\\d", "-", "~"] {
            assert_eq!(place(&[name], name).as_deref(), Some(name));
        }
    }

    #[test]
    fn components_that_would_leave_the_directory_or_play_tricks_are_encoded() {
        let mapped = [
            ("..", "%2E%2E"),
            ("a/../../b", "a/%2E%2E/%2E%2E/b"),
            ("./a", "%2E/a"),
            ("/etc/passwd", "%00/etc/passwd"),
            ("a//b", "a/%00/b"),
            ("a/", "a/%00"),
            ("/", "%00/%00"),
            ("a\nb\u{85}", "a%0Ab%C2%85"),
            ("100%", "100%25"),
            ("%2E%2E", "%252E%252E"),
            ("%~x", "%25~x"),
            ("mediacask-manifest.jsonl", "%6Dediacask-manifest.jsonl"),
            ("a/mediacask-manifest.jsonl", "a/mediacask-manifest.jsonl"),
        ];
        for (name, path) in mapped {
            assert_eq!(place(&[name], name).as_deref(), Some(path), "{name:?}");
        }
    }

    #[test]
    fn a_name_that_is_a_folder_too_is_marked() {
        let names = ["t", "t/a", "t/a/b", "t!", "t%~"];
        let paths = names.map(|name| place(&names, name).unwrap());
        assert_eq!(paths, ["t%~", "t/a%~", "t/a/b", "t!", "t%25~"]);
    }

    #[test]
    fn what_is_too_long_has_no_place_of_its_own() {
        assert!(place(&[], &"x".repeat(255)).is_some());
        assert!(place(&[], &"x".repeat(256)).is_none());
        assert!(place(&[], &"\n".repeat(86)).is_none());
        assert!(place(&[], &"/".repeat(1024)).is_none());
        assert_eq!(hashed("x").len(), 2 + 64);
    }
}

//! Status codes: what every call that can fail returns. Their numbers never change meaning.

/// Done.
pub const MCASK_OK: i32 = 0;
/// A name or account is empty, too long, no UTF-8, or holds a NUL byte.
pub const MCASK_E_INVALID_NAME: i32 = -1;
/// An option, a range or a limit makes no sense.
pub const MCASK_E_INVALID_OPTION: i32 = -2;
/// The content, the metadata or the batch is larger than a limit.
pub const MCASK_E_TOO_LARGE: i32 = -3;
/// The account's quota or a prefix limit would be exceeded.
pub const MCASK_E_QUOTA_EXCEEDED: i32 = -4;
/// A condition of the call (absent, digest, generation) does not hold; nothing was changed.
pub const MCASK_E_PRECONDITION_FAILED: i32 = -5;
/// A continuation token was altered, or belongs to another account, filter or store; or a signed grant
/// was, or is for another name, account or method.
pub const MCASK_E_INVALID_TOKEN: i32 = -6;
/// The content does not have the digest the caller expected; nothing was stored.
pub const MCASK_E_DIGEST_MISMATCH: i32 = -7;
/// Bytes on the disk are not what was written there.
pub const MCASK_E_CORRUPT: i32 = -8;
/// Another process holds the store; `holder_pid` of the error says which.
pub const MCASK_E_LOCKED: i32 = -9;
/// The store was written by a newer version of the format.
pub const MCASK_E_VERSION: i32 = -10;
/// An earlier failure of the disk stopped writing; reads go on. Open the store again.
pub const MCASK_E_POISONED: i32 = -11;
/// The directory cannot be written to.
pub const MCASK_E_READ_ONLY: i32 = -12;
/// The disk is full; nothing was changed.
pub const MCASK_E_NO_SPACE: i32 = -13;
/// The handle was opened by another process and came here by fork.
pub const MCASK_E_FORKED: i32 = -14;
/// The store was closed.
pub const MCASK_E_CLOSED: i32 = -15;
/// The operating system refused a call; `os_error` of the error is its errno.
pub const MCASK_E_IO: i32 = -16;
/// The time of a signed grant is over.
pub const MCASK_E_EXPIRED_TOKEN: i32 = -17;
/// A signed grant names a key that is not accepted.
pub const MCASK_E_UNKNOWN_KEY: i32 = -18;
/// The library itself failed, where it never should: please report the message. The store stays as a
/// power cut would leave it: what was acknowledged is there.
pub const MCASK_E_INTERNAL: i32 = -100;
/// The call is wrong in the program: NULL for what is needed, an absurd length, a `struct_size` that is not
/// set, a handle that was freed or is in use by another thread, a writer or batch after its commit.
pub const MCASK_E_MISUSE: i32 = -101;

/// The names of the codes that the core does not know.
const OWN: [(i32, &str); 3] = [(MCASK_OK, "ok"), (MCASK_E_INTERNAL, "internal"), (MCASK_E_MISUSE, "misuse")];

/// The name of a code; `None` of what is no code.
pub(crate) fn name(code: i32) -> Option<&'static str> {
    let own = OWN.iter().find(|(own, _)| *own == code).map(|(_, name)| *name);
    own.or_else(|| cask::FACES.iter().find(|face| face.c_code == code).map(|face| face.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_those_of_the_table_that_all_faces_share() {
        let source = include_str!("status.rs");
        for face in cask::FACES {
            let line = format!("pub const MCASK_E_{}: i32 = {};", face.name.to_uppercase(), face.c_code);
            assert!(source.contains(&line), "{line}");
            assert_eq!(name(face.c_code), Some(face.name));
        }
        assert_eq!(source.matches("\npub const MCASK_E_").count(), cask::FACES.len() + 2);
        assert_eq!((name(MCASK_OK), name(1), name(-99)), (Some("ok"), None, None));
    }
}

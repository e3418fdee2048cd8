//! What a stream of any length promises: a writer of a gibibyte adds less than 32 MiB of memory, and so does
//! reading it again. The only test of its binary: what it measures is the whole process.

mod support;

use std::io::{Read, Write};

use mediacask::{Digest, PutOptions, Store};

const MIB: usize = 1 << 20;
const GIB: usize = 1 << 30;

/// A number of kibibytes that the kernel says of this process.
fn status_kib(field: &str) -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// Has the kernel forget the most it has seen (proc(5), `clear_refs`).
fn forget_the_most() {
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
}

/// Bytes that repeat nowhere a chunk would, cheaply made.
fn fill(piece: &mut [u8], number: usize) {
    for (at, word) in piece.chunks_exact_mut(4096).enumerate() {
        word[..8].copy_from_slice(&(number * 1024 + at).to_le_bytes());
    }
}

#[test]
fn a_writer_of_a_gibibyte_adds_less_than_32_mib_of_memory() {
    // Not in memory, where the file itself would be counted by nobody: on the disk that tests run on.
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let media = store.account("5500001").unwrap();
    media.put("warm", vec![1; 5 * MIB], &PutOptions::new()).unwrap();
    let mut piece = vec![7; MIB];
    forget_the_most();
    let before = status_kib("VmHWM").expect("Linux tells it");

    let mut writer = media.writer("long", &PutOptions::new().expect_md5([0; 16])).unwrap();
    writer.write_all(&piece).unwrap();
    drop(writer);
    let mut writer = media.writer("long", &PutOptions::new()).unwrap();
    for number in 0..GIB / MIB {
        fill(&mut piece, number);
        // In pieces that fit into no buffer evenly.
        let (one, two) = piece.split_at(MIB / 3);
        writer.write_all(one).unwrap();
        writer.write_all(two).unwrap();
    }
    let entry = writer.commit().unwrap();
    let written = status_kib("VmHWM").unwrap();
    assert_eq!(entry.size, GIB as u64);
    let added = written - before;
    assert!(added < 32 << 10, "the writer added {added} KiB");

    // The mapped file is the page cache's; what the reader adds of its own is bounded, too.
    let anonymous = status_kib("RssAnon").unwrap();
    let mut reader = media.reader("long").unwrap().unwrap();
    let mut read = vec![0; MIB];
    let mut expected = vec![7; MIB];
    for number in 0..16 {
        reader.read_exact(&mut read).unwrap();
        fill(&mut expected, number);
        assert!(read == expected);
    }
    assert_ne!(entry.digest, Digest::of(&read));
    let added = status_kib("RssAnon").unwrap().saturating_sub(anonymous);
    assert!(added < 8 << 10, "the reader added {added} KiB");
}

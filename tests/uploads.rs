//! Uploads and downloads take bounded memory: many at a time as one.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use mediacask::{PutOptions, Store};

/// Under the threshold of a file of its own, so that it belongs into the log.
const LEN: usize = 3 << 20;

/// Content that differs from upload to upload and from chunk to chunk.
fn content(upload: usize) -> Vec<u8> {
    (0..LEN).map(|at| (at >> 8) as u8 ^ (at as u8).wrapping_mul(upload as u8 | 1)).collect()
}

fn files_in(directory: &Path) -> usize {
    fs::read_dir(directory).unwrap().count()
}

#[test]
fn uploads_beyond_what_memory_is_for_go_on_in_staging_and_end_in_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let media = store.account("a").unwrap();
    let staging = dir.path().join("staging");
    let mut writers: Vec<_> =
        (0..40).map(|n| (n, media.writer(&format!("{n}"), &PutOptions::new()).unwrap())).collect();
    // All of them grow at once, each by a little, in pieces that fall on no border.
    let contents: Vec<_> = (0..40).map(content).collect();
    for at in (0..LEN).step_by(50_000) {
        for (n, writer) in &mut writers {
            writer.write_all(&contents[*n][at..LEN.min(at + 50_000)]).unwrap();
        }
    }
    let staged = files_in(&staging);
    assert!((10..=40).contains(&staged), "{staged} of 120 MiB in 40 uploads were staged, 64 MiB have room");

    drop(writers.pop());
    assert_eq!(files_in(&staging), staged - 1, "what is let go leaves nothing");
    for (_, writer) in writers {
        assert_eq!(writer.commit().unwrap().size, LEN as u64);
    }
    assert_eq!((files_in(&staging), store.stats().unwrap().blob_files), (0, 0));
    for (n, content) in contents.iter().enumerate().take(39) {
        assert!(media.get(&format!("{n}")).unwrap().unwrap()[..] == content[..], "upload {n}");
    }

    // What they had is given back: this one stays in memory.
    let mut writer = media.writer("after", &PutOptions::new()).unwrap();
    writer.write_all(&contents[0]).unwrap();
    assert_eq!(files_in(&staging), 0);
}

/// Kilobytes of the maps of the files below `directory` that are in the memory of this process.
fn resident_kib(directory: &Path) -> u64 {
    let maps = fs::read_to_string("/proc/self/smaps").unwrap();
    let (mut ours, mut kib) = (false, 0);
    for line in maps.lines() {
        if line.split_whitespace().next().is_some_and(|word| word.contains('-')) {
            ours = line.contains(directory.to_str().unwrap());
        } else if let Some(rss) = line.strip_prefix("Rss:").filter(|_| ours) {
            kib += rss.trim().trim_end_matches(" kB").parse::<u64>().unwrap();
        }
    }
    kib
}

#[test]
fn who_reads_a_large_content_piece_by_piece_holds_those_pieces_only() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let media = store.account("a").unwrap();
    let large: Vec<u8> = (0..(32 << 20) + 5000_u32).map(|at| (at >> 7) as u8).collect();
    media.put("large", &large, &PutOptions::new()).unwrap();
    let files = dir.path().join("files");

    let mut reader = media.reader("large").unwrap().unwrap();
    let (mut at, mut most) = (0, 0);
    let mut held = std::collections::VecDeque::new();
    loop {
        let chunk = reader.next_chunk().unwrap();
        if chunk.is_empty() {
            break;
        }
        assert!(chunk[..] == large[at..at + chunk.len()]);
        at += chunk.len();
        held.push_back((at, chunk));
        if held.len() > 8 {
            let (end, chunk) = held.pop_front().unwrap();
            assert!(chunk[..] == large[end - chunk.len()..end], "a piece that is held stays what it is");
        }
        if at % (4 << 20) == 0 {
            most = most.max(resident_kib(&files));
        }
    }
    assert_eq!(at, large.len());
    assert!((1..2048).contains(&most), "{most} KiB of 32 MiB were resident");
    drop(held);
    assert_eq!(resident_kib(&files), 0);
    // They come again for the next who asks.
    assert!(media.get("large").unwrap().unwrap()[..] == large[..]);
}

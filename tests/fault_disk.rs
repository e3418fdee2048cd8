//! What the tests' disk promises the tests: that it loses, tears and fails what a real one may, and
//! nothing else.

mod support;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fs;
use std::io::{ErrorKind, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mediacask::disk::{Access, Disk, DiskFile};
use support::{CallKind, Crash, Fault, FaultDisk, Keep, Random, SyncKind, Tear};

/// A disk with the store's directory on it, durable.
fn disk() -> Arc<FaultDisk> {
    let disk = FaultDisk::new(1);
    disk.create_dir(&disk.root()).unwrap();
    disk.sync_dir(disk.root().parent().unwrap()).unwrap();
    disk
}

fn create(disk: &FaultDisk, name: &str, bytes: &[u8]) -> Arc<dyn DiskFile> {
    let file = disk.open(&disk.root().join(name), Access::Create).unwrap();
    write(&*file, 0, bytes).unwrap();
    file
}

/// A file that is durable by name and by content.
fn durable(disk: &FaultDisk, name: &str, bytes: &[u8]) -> Arc<dyn DiskFile> {
    let file = create(disk, name, bytes);
    file.sync().unwrap();
    disk.sync_dir(disk.root().join(name).parent().unwrap()).unwrap();
    file
}

fn write(file: &dyn DiskFile, offset: u64, bytes: &[u8]) -> std::io::Result<()> {
    file.write_at(&[IoSlice::new(bytes)], offset)
}

fn read(disk: &FaultDisk, name: &str) -> Option<Vec<u8>> {
    fs::read(disk.root().join(name)).ok()
}

/// Every file and directory below a path.
fn tree(root: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(root).unwrap().map(Result::unwrap) {
        let name = PathBuf::from(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            let below = tree(&entry.path()).into_iter();
            all.extend(below.map(|(path, bytes)| (name.join(path), bytes)));
            all.insert(name, None);
        } else {
            all.insert(name, Some(fs::read(entry.path()).unwrap()));
        }
    }
    all
}

/// Holds two directories against each other, and names what differs rather than all its bytes.
fn assert_same(left: &Path, right: &Path, seed: u64) {
    let (left, right) = (tree(left), tree(right));
    let names = left.keys().chain(right.keys());
    let differs: BTreeSet<_> = names.filter(|name| left.get(*name) != right.get(*name)).collect();
    assert!(differs.is_empty(), "seed {seed}: {differs:?}");
}

/// What a look at the disk finds after crashes of many seeds.
fn outcomes<T: Ord>(disk: &FaultDisk, tear: Tear, look: impl Fn(&FaultDisk) -> T) -> BTreeSet<T> {
    let crashes = (0..200).map(|seed| Crash { keep: Keep::Random(seed), tear });
    crashes.map(|crash| look(&disk.crash(crash))).collect()
}

#[test]
fn bytes_are_lost_until_their_file_is_synced() {
    let disk = disk();
    let file = durable(&disk, "a", b"kept");
    write(&*file, 4, b" and not").unwrap();
    assert_eq!(read(&disk, "a").unwrap(), b"kept and not");
    assert_eq!(read(&disk.crash(Crash::NOTHING_KEPT), "a").unwrap(), b"kept");
    assert_eq!(read(&disk.crash(Crash::ALL_KEPT), "a").unwrap(), b"kept and not");
    file.sync().unwrap();
    let after = disk.crash(Crash::NOTHING_KEPT);
    assert_eq!(read(&after, "a").unwrap(), b"kept and not");
    // What a crash left is durable: another one takes no more.
    assert_eq!(read(&after.crash(Crash::NOTHING_KEPT), "a").unwrap(), b"kept and not");
}

#[test]
fn a_name_is_lost_until_its_directory_is_synced() {
    let disk = disk();
    create(&disk, "a", b"x").sync().unwrap();
    assert_eq!(read(&disk.crash(Crash::NOTHING_KEPT), "a"), None);
    let seen = outcomes(&disk, Tear::Whole, |after| read(after, "a"));
    assert_eq!(seen, BTreeSet::from([None, Some(b"x".to_vec())]));
    disk.sync_dir(&disk.root()).unwrap();
    assert_eq!(read(&disk.crash(Crash::NOTHING_KEPT), "a").unwrap(), b"x");
}

#[test]
fn a_directory_is_lost_until_its_parent_is_synced() {
    let disk = disk();
    disk.create_dir(&disk.root().join("d")).unwrap();
    durable(&disk, "d/a", b"x");
    assert!(!disk.crash(Crash::NOTHING_KEPT).root().join("d").exists());
    disk.sync_dir(&disk.root()).unwrap();
    assert_eq!(read(&disk.crash(Crash::NOTHING_KEPT), "d/a").unwrap(), b"x");

    let new = FaultDisk::new(1);
    new.create_dir(&new.root()).unwrap();
    assert!(!new.crash(Crash::NOTHING_KEPT).root().exists());
}

#[test]
fn what_was_unlinked_may_be_back() {
    let disk = disk();
    durable(&disk, "a", b"x");
    disk.unlink(&disk.root().join("a")).unwrap();
    let seen = outcomes(&disk, Tear::Whole, |after| read(after, "a"));
    assert_eq!(seen, BTreeSet::from([None, Some(b"x".to_vec())]));
    disk.sync_dir(&disk.root()).unwrap();
    assert_eq!(read(&disk.crash(Crash::NOTHING_KEPT), "a"), None);

    disk.create_dir(&disk.root().join("d")).unwrap();
    disk.sync_dir(&disk.root()).unwrap();
    durable(&disk, "d/a", b"x");
    disk.remove_dir_all(&disk.root().join("d")).unwrap();
    assert_eq!(read(&disk.crash(Crash::NOTHING_KEPT), "d/a").unwrap(), b"x");
    assert!(!disk.crash(Crash::ALL_KEPT).root().join("d").exists());
    disk.sync_dir(&disk.root()).unwrap();
    assert!(!disk.crash(Crash::NOTHING_KEPT).root().join("d").exists());
}

#[test]
fn a_renamed_file_has_its_old_name_or_its_new_one_and_what_it_replaced_may_be_back() {
    let disk = disk();
    durable(&disk, "new", b"new");
    durable(&disk, "a", b"old");
    disk.rename(&disk.root().join("new"), &disk.root().join("a")).unwrap();
    let look = |after: &FaultDisk| (read(after, "new"), read(after, "a"));
    let before = (Some(b"new".to_vec()), Some(b"old".to_vec()));
    let renamed = (None, Some(b"new".to_vec()));
    assert_eq!(outcomes(&disk, Tear::Whole, look), BTreeSet::from([before, renamed.clone()]));
    disk.sync_dir(&disk.root()).unwrap();
    assert_eq!(outcomes(&disk, Tear::Whole, look), BTreeSet::from([renamed]));
}

#[test]
fn a_renaming_to_another_directory_is_durable_with_that_one() {
    let disk = disk();
    for dir in ["staging", "files"] {
        disk.create_dir(&disk.root().join(dir)).unwrap();
    }
    disk.sync_dir(&disk.root()).unwrap();
    create(&disk, "staging/1", b"x").sync().unwrap();
    let to = disk.root().join("files/1");
    disk.rename(&disk.root().join("staging/1"), &to).unwrap();
    disk.sync_dir(&disk.root().join("staging")).unwrap();
    assert_eq!(read(&disk.crash(Crash::NOTHING_KEPT), "files/1"), None);
    disk.sync_dir(&disk.root().join("files")).unwrap();
    let after = disk.crash(Crash::NOTHING_KEPT);
    assert_eq!(read(&after, "files/1").unwrap(), b"x");
    assert_eq!(read(&after, "staging/1"), None);
}

#[test]
fn a_write_over_old_bytes_is_torn_in_units_and_leaves_the_old_ones() {
    let disk = disk();
    let file = durable(&disk, "a", &vec![1; 20_000]);
    write(&*file, 700, &[2; 10_000]).unwrap();
    for (tear, unit) in [(Tear::Sector512, 512), (Tear::Page4096, 4096)] {
        let seen = outcomes(&disk, tear, |after| read(after, "a").unwrap());
        assert!(seen.len() > 4, "{} ways to tear", seen.len());
        for bytes in seen {
            assert_eq!(bytes.len(), 20_000);
            for (nth, part) in bytes.chunks(unit).enumerate() {
                let at = nth * unit;
                let written = |i: usize| (700..10_700).contains(&(at + i));
                let is_new = (0..part.len()).find(|i| written(*i)).is_some_and(|i| part[i] == 2);
                let expected = |i: usize| if is_new && written(i) { 2 } else { 1 };
                assert!(part.iter().enumerate().all(|(i, byte)| *byte == expected(i)));
            }
        }
    }
    let whole = outcomes(&disk, Tear::Whole, |after| read(after, "a").unwrap());
    assert_eq!(whole, BTreeSet::from([vec![1; 20_000], read(&disk, "a").unwrap()]));
}

#[test]
fn a_torn_append_is_never_longer_than_written_and_its_gaps_are_zeros() {
    let disk = disk();
    let file = durable(&disk, "a", &[1; 1000]);
    write(&*file, 1000, &[2; 3000]).unwrap();
    write(&*file, 4000, &[3; 3000]).unwrap();
    let seen = outcomes(&disk, Tear::Sector512, |after| read(after, "a").unwrap());
    let lengths: BTreeSet<usize> = seen.iter().map(Vec::len).collect();
    assert!(lengths.len() > 5 && lengths.contains(&1000) && lengths.contains(&7000), "{lengths:?}");
    assert!(lengths.iter().all(|len| (1000..=7000).contains(len)));
    let mut gaps = 0;
    for bytes in &seen {
        for (at, byte) in bytes.iter().enumerate() {
            let written = [1, 2, 3][usize::from(at >= 1000) + usize::from(at >= 4000)];
            assert!(*byte == written || at >= 1000 && *byte == 0);
        }
        gaps += usize::from(bytes.contains(&0));
    }
    assert!(gaps > 10);
}

#[test]
fn a_length_is_lost_until_its_file_is_synced() {
    let disk = disk();
    let file = durable(&disk, "a", &[1; 5000]);
    file.set_len(100).unwrap();
    assert_eq!(read(&disk.crash(Crash::NOTHING_KEPT), "a").unwrap(), [1; 5000]);
    file.allocate(9000).unwrap();
    let cut = [vec![1; 100], vec![0; 8900]].concat();
    assert_eq!(read(&disk, "a").unwrap(), cut);
    assert_eq!(read(&disk.crash(Crash::ALL_KEPT), "a").unwrap(), cut);
    let seen = outcomes(&disk, Tear::Page4096, |after| read(after, "a").unwrap());
    assert_eq!(seen, BTreeSet::from([vec![1; 5000], vec![1; 100], cut.clone()]));
    file.sync().unwrap();
    assert_eq!(read(&disk.crash(Crash::NOTHING_KEPT), "a").unwrap(), cut);
}

#[test]
fn the_call_that_was_named_fails_and_no_other() {
    let disk = disk();
    let file = durable(&disk, "a", b"0");
    disk.fail_nth(disk.calls() + 2, Fault::Eio);
    let writes = disk.counts().of(CallKind::Write);
    disk.fail_nth_of(CallKind::Write, writes + 3, Fault::Enospc);
    disk.fail_nth_of(CallKind::Facts, 2, Fault::Eio);

    write(&*file, 0, b"1").unwrap();
    // Facts and reads do not count.
    file.facts().unwrap();
    file.read_at(&mut [0], 0).unwrap();
    assert_eq!(write(&*file, 0, b"2").unwrap_err().raw_os_error(), Some(libc::EIO));
    file.sync().unwrap();
    assert_eq!(write(&*file, 0, b"3").unwrap_err().kind(), ErrorKind::StorageFull);
    assert!(file.facts().is_err());
    assert_eq!(read(&disk, "a").unwrap(), b"1");
    write(&*file, 0, b"4").unwrap();
    assert_eq!(disk.tell(disk.calls()), "Write a");
    assert_eq!(disk.counts().of(CallKind::Write), writes + 4);

    disk.fail_all_from(disk.calls() + 1, Fault::Eio);
    assert!(file.sync().is_err() && disk.sync_dir(&disk.root()).is_err());
    assert!(disk.unlink(&disk.root().join("a")).is_err());
    disk.heal();
    file.sync().unwrap();
}

#[test]
fn a_short_write_leaves_some_of_its_bytes() {
    let disk = disk();
    let file = durable(&disk, "a", &[0; 100]);
    let mut lengths = BTreeSet::new();
    for _ in 0..20 {
        write(&*file, 0, &[0; 100]).unwrap();
        disk.fail_nth(disk.calls() + 1, Fault::ShortWrite);
        assert!(file.write_at(&[IoSlice::new(&[7; 50]), IoSlice::new(&[7; 50])], 0).is_err());
        let bytes = read(&disk, "a").unwrap();
        let written = bytes.iter().take_while(|byte| **byte == 7).count();
        assert!(bytes[written..].iter().all(|byte| *byte == 0));
        assert_eq!(read(&disk.crash(Crash::ALL_KEPT), "a").unwrap(), bytes);
        lengths.insert(written);
    }
    assert!(lengths.len() > 5, "{lengths:?}");
}

#[test]
fn on_a_full_disk_what_has_room_can_be_written_and_an_unlinking_makes_some() {
    let disk = disk();
    durable(&disk, "reserve", &[0; 10_000]);
    let file = durable(&disk, "a", &[0; 1000]);
    file.allocate(2000).unwrap();
    disk.fail_all_from(disk.calls() + 1, Fault::Enospc);
    write(&*file, 500, &[1; 1500]).unwrap();
    file.sync().unwrap();
    assert_eq!(write(&*file, 1500, &[2; 1000]).unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(read(&disk, "a").unwrap()[1500..], [2; 500]);
    assert_eq!(file.allocate(2001).unwrap_err().kind(), ErrorKind::StorageFull);
    let new = disk.root().join("new");
    assert_eq!(disk.open(&new, Access::Create).err().unwrap().kind(), ErrorKind::StorageFull);
    assert_eq!(disk.create_dir(&new).unwrap_err().kind(), ErrorKind::StorageFull);
    assert!(!new.exists());

    disk.unlink(&disk.root().join("reserve")).unwrap();
    disk.open(&new, Access::Create).unwrap();
    write(&*file, 2000, &[3; 4000]).unwrap();
    assert_eq!(file.allocate(1 << 20).unwrap_err().kind(), ErrorKind::StorageFull);
    disk.heal();
    file.allocate(1 << 20).unwrap();
}

#[test]
fn when_the_power_is_off_every_call_fails_and_nothing_becomes_durable() {
    let disk = disk();
    let file = durable(&disk, "a", b"old");
    write(&*file, 0, b"new").unwrap();
    disk.crash_at_call(disk.calls() + 2);
    create_in_vain(&disk, "b", true);
    assert!(disk.is_off());
    assert!(file.sync().is_err() && disk.sync_dir(&disk.root()).is_err());
    assert!(file.facts().is_err() && file.read_at(&mut [0], 0).is_err() && file.map(1).is_err());
    create_in_vain(&disk, "c", false);
    disk.heal();
    assert!(file.sync().is_err());
    assert_eq!(read(&disk.crash(Crash::NOTHING_KEPT), "a").unwrap(), b"old");

    // The call during which it went may be found done, all or in part; those that follow not.
    let after = disk.crash(Crash::ALL_KEPT);
    assert_eq!(read(&after, "a").unwrap(), b"new");
    assert_eq!(read(&after, "b").unwrap(), b"x");
    assert_eq!(read(&after, "c"), None);
    assert!(!after.is_off());
}

fn create_in_vain(disk: &FaultDisk, name: &str, opens: bool) {
    let file = disk.open(&disk.root().join(name), Access::Create);
    assert_eq!(file.is_ok(), opens);
    if let Ok(file) = file {
        write(&*file, 0, b"x").unwrap_err();
    }
}

#[test]
fn a_sync_during_which_the_power_goes_may_have_written_anything() {
    let disk = disk();
    let file = durable(&disk, "a", &[1; 4096]);
    write(&*file, 0, &[2; 4096]).unwrap();
    disk.lying_fsync_after_failure(true);
    disk.crash_at_call(disk.calls() + 1);
    assert!(file.sync().is_err());
    let seen = outcomes(&disk, Tear::Sector512, |after| read(after, "a").unwrap());
    assert!(seen.contains(&vec![1; 4096]) && seen.contains(&vec![2; 4096]) && seen.len() > 10);
}

#[test]
fn after_a_failed_sync_a_later_one_may_lie() {
    for lies in [false, true] {
        let disk = disk();
        disk.lying_fsync_after_failure(lies);
        let file = durable(&disk, "a", &[1; 10]);
        write(&*file, 5, &[2; 10]).unwrap();
        disk.fail_nth_of(CallKind::Sync, disk.counts().of(CallKind::Sync) + 1, Fault::Eio);
        assert!(file.sync().is_err());
        write(&*file, 0, &[3; 2]).unwrap();
        file.sync().unwrap();
        let shown = [vec![3; 2], vec![1; 3], vec![2; 10]].concat();
        assert_eq!(read(&disk, "a").unwrap(), shown);
        let lost = [vec![3; 2], vec![1; 8], vec![0; 5]].concat();
        let expected = if lies { lost } else { shown };
        assert_eq!(read(&disk.crash(Crash::NOTHING_KEPT), "a").unwrap(), expected);
    }
}

#[test]
fn a_sync_that_is_skipped_is_the_one_that_was_named() {
    let disk = disk();
    disk.create_dir(&disk.root().join("segments")).unwrap();
    disk.sync_dir(&disk.root()).unwrap();
    disk.skip_sync(SyncKind::File, ".seg");
    disk.skip_sync(SyncKind::Dir, "segments");
    let spare = create(&disk, "segments/1.spare", b"x");
    spare.sync().unwrap();
    let (from, to) = (disk.root().join("segments/1.spare"), disk.root().join("segments/1.seg"));
    disk.rename(&from, &to).unwrap();
    // The file goes by the name it has now.
    write(&*spare, 0, b"y").unwrap();
    spare.sync().unwrap();
    disk.sync_dir(&disk.root().join("segments")).unwrap();
    durable(&disk, "catalog", b"z");
    assert_eq!(disk.counts().syncs_skipped, 2);
    let after = disk.crash(Crash::NOTHING_KEPT);
    assert_eq!(read(&after, "catalog").unwrap(), b"z");
    assert_eq!(tree(&after.root().join("segments")), BTreeMap::new());
    let seen = outcomes(&disk, Tear::Whole, |after| read(after, "segments/1.seg"));
    assert!(seen.contains(&Some(b"x".to_vec())), "the name without the bytes: {seen:?}");

    disk.skip_sync(SyncKind::Dir, ".");
    disk.skip_sync(SyncKind::File, "segments/");
    disk.sync_dir(&disk.root()).unwrap();
    spare.sync().unwrap();
    assert_eq!(disk.counts().syncs_skipped, 4);
}

#[test]
fn the_index_is_copied_as_it_is_or_was_or_left_out() {
    let disk = disk();
    assert!(read(&disk.crash(Crash::ALL_KEPT), "index/db").is_none());
    let index = disk.root().join("index");
    fs::create_dir_all(index.join("blobs")).unwrap();
    fs::write(index.join("db"), "one").unwrap();
    disk.snapshot_index();
    fs::write(index.join("db"), "two").unwrap();
    fs::write(index.join("blobs/1"), "b").unwrap();
    let look = |after: &FaultDisk| read(after, "index/db");
    let (one, two) = (Some(b"one".to_vec()), Some(b"two".to_vec()));
    assert_eq!(look(&disk.crash(Crash::NOTHING_KEPT)), one);
    let after = disk.crash(Crash::ALL_KEPT);
    assert_eq!((look(&after), read(&after, "index/blobs/1")), (two.clone(), Some(b"b".to_vec())));
    assert_eq!(outcomes(&disk, Tear::Whole, look), BTreeSet::from([None, one, two]));

    // Elsewhere, when the store says so; and what a crash found is the older copy of the next.
    fs::rename(&index, disk.root().join("names")).unwrap();
    disk.index_at(&disk.root().join("names"));
    let after = disk.crash(Crash::ALL_KEPT);
    fs::remove_dir_all(after.root().join("names")).unwrap();
    assert_eq!(read(&after.crash(Crash::NOTHING_KEPT), "names/db").unwrap(), b"two");
    assert_eq!(read(&after.crash(Crash::ALL_KEPT), "names/db"), None);
}

#[test]
fn maps_are_of_real_files_and_show_what_is_written() {
    let disk = disk();
    let file = durable(&disk, "a", &[1; 5000]);
    file.allocate(20_000).unwrap();
    let map = Arc::new(file.map(20_000).unwrap());
    let view = map.view(0, 5000).unwrap();
    write(&*file, 5000, &[2; 5000]).unwrap();
    assert_eq!(*map.bytes(5000, 5000).unwrap(), [2; 5000]);
    drop((map, file, disk));
    assert_eq!(*view, [1; 5000]);
}

#[test]
#[should_panic(expected = "a was cut to 10 bytes while it was mapped")]
fn cutting_a_mapped_file_is_noticed() {
    let disk = disk();
    let file = durable(&disk, "a", &[1; 5000]);
    let map = file.map(5000).unwrap();
    file.set_len(10).unwrap();
    drop(map);
    disk.crash(Crash::ALL_KEPT);
}

#[test]
fn what_a_test_put_there_itself_can_be_adopted() {
    let disk = disk();
    durable(&disk, "a", b"good");
    fs::write(disk.root().join("a"), "bad").unwrap();
    fs::create_dir(disk.root().join("d")).unwrap();
    fs::write(disk.root().join("d/b"), "b").unwrap();
    assert_eq!(read(&disk.crash(Crash::NOTHING_KEPT), "a").unwrap(), b"good");
    disk.adopt_all();
    let after = disk.crash(Crash::NOTHING_KEPT);
    assert_eq!(tree(&after.root()), tree(&disk.root()));
    // And a single file by opening or renaming it.
    fs::write(after.root().join("d/e"), "e").unwrap();
    after.rename(&after.root().join("d/e"), &after.root().join("a")).unwrap();
    assert_eq!(read(&after.crash(Crash::ALL_KEPT), "a").unwrap(), b"e");
    assert_eq!(read(&after.crash(Crash::NOTHING_KEPT), "a").unwrap(), b"bad");
    fs::write(after.root().join("d/c"), "c").unwrap();
    assert!(after.open(&after.root().join("d/none"), Access::Read).is_err());
    let file = after.open(&after.root().join("d/c"), Access::Write).unwrap();
    write(&*file, 0, b"!").unwrap();
    assert_eq!(read(&after.crash(Crash::NOTHING_KEPT), "d/c").unwrap(), b"c");
}

#[test]
fn a_lock_is_free_on_the_disk_a_crash_left() {
    let disk = disk();
    let file = durable(&disk, "LOCK", b"");
    file.try_lock().unwrap();
    let again = disk.open(&disk.root().join("LOCK"), Access::Write).unwrap();
    assert_eq!(again.try_lock().unwrap_err().kind(), ErrorKind::WouldBlock);
    let after = disk.crash(Crash::NOTHING_KEPT);
    after.open(&after.root().join("LOCK"), Access::Write).unwrap().try_lock().unwrap();
}

/// Does something to some file, whether it can be done or not.
fn do_anything(disk: &FaultDisk, random: &mut Random) {
    const NAMES: [&str; 6] = ["a", "b", "d/a", "d/b", "e/a", "e/b"];
    let path = |random: &mut Random| disk.root().join(NAMES[random.below(6) as usize]);
    let at = path(random);
    let dir = disk.root().join(["d", "e"][random.below(2) as usize]);
    let open = |access| disk.open(&at, access);
    match random.below(12) {
        0 | 1 => drop(open(Access::Create)),
        2..=4 => {
            if let Ok(file) = open(Access::Write) {
                let len = random.below(9000) as usize;
                write(&*file, random.below(9000), &random.bytes(len)).unwrap();
            }
        }
        5 => drop(open(Access::Write).map(|file| file.set_len(random.below(9000)))),
        6 => drop(open(Access::Write).map(|file| file.sync())),
        7 => drop(disk.rename(&at, &path(random))),
        8 => drop(disk.unlink(&at)),
        9 => drop(disk.create_dir(&dir)),
        10 if random.sixteenths(4) => drop(disk.remove_dir_all(&dir)),
        10 => drop(disk.rename(&dir, &disk.root().join(["d", "e"][random.below(2) as usize]))),
        _ => drop(disk.sync_dir(&disk.root())),
    }
}

#[test]
fn the_record_tells_what_the_real_directory_tells() {
    for seed in 0..150 {
        let random = &mut Random::new(seed);
        let disk = disk();
        (0..80).for_each(|_| do_anything(&disk, random));
        assert_same(&disk.crash(Crash::ALL_KEPT).root(), &disk.root(), seed);
        // No crash leaves what the next call stumbles on.
        let torn = disk.crash(Crash::random(seed));
        (0..40).for_each(|_| do_anything(&torn, random));
        assert_same(&torn.crash(Crash::ALL_KEPT).root(), &torn.root(), seed);

        for (path, bytes) in tree(&disk.root()) {
            let path = disk.root().join(path);
            if bytes.is_some() {
                disk.open(&path, Access::Write).unwrap().sync().unwrap();
            } else {
                disk.sync_dir(&path).unwrap();
            }
        }
        disk.sync_dir(&disk.root()).unwrap();
        assert_same(&disk.crash(Crash::NOTHING_KEPT).root(), &disk.root(), seed);
        assert_same(&disk.crash(Crash::random(seed)).root(), &disk.root(), seed);
    }
}

#[test]
fn a_file_that_is_renamed_is_in_one_place_after_every_crash() {
    let disk = disk();
    durable(&disk, "a", b"x");
    disk.create_dir(&disk.root().join("d")).unwrap();
    let path = |name| disk.root().join(name);
    for (from, to) in [("a", "d/a"), ("d/a", "b"), ("b", "d/b")] {
        disk.rename(&path(from), &path(to)).unwrap();
    }
    let places = ["a", "b", "d/a", "d/b"];
    let look = |after: &FaultDisk| places.map(|name| read(after, name).is_some());
    let seen = outcomes(&disk, Tear::Whole, look);
    assert_eq!(seen.len(), 4);
    assert!(seen.iter().all(|found| found.iter().filter(|there| **there).count() == 1));
}

#[test]
fn the_same_seed_gives_the_same_crash() {
    let random = &mut Random::new(5);
    let disk = disk();
    (0..60).for_each(|_| do_anything(&disk, random));
    for seed in 0..20 {
        let first = disk.crash(Crash::random(seed));
        assert_eq!(tree(&first.root()), tree(&disk.crash(Crash::random(seed)).root()));
    }
}

#[test]
fn a_second_name_is_lost_until_its_directory_is_synced_and_both_are_one_file() {
    let disk = disk();
    let file = durable(&disk, "a", b"old");
    disk.create_dir(&disk.root().join("d")).unwrap();
    disk.sync_dir(&disk.root()).unwrap();
    disk.hard_link(&disk.root().join("a"), &disk.root().join("d/b")).unwrap();
    file.set_mode(0o400).unwrap();
    let lost = disk.crash(Crash::NOTHING_KEPT);
    assert_eq!((read(&lost, "a").unwrap(), read(&lost, "d/b")), (b"old".to_vec(), None));
    let facts = lost.open(&lost.root().join("a"), Access::Write).unwrap().facts().unwrap();
    assert_eq!((facts.links, facts.mode), (1, 0o600), "the mode was not synced");

    disk.sync_dir(&disk.root().join("d")).unwrap();
    file.sync().unwrap();
    let kept = disk.crash(Crash::NOTHING_KEPT);
    let facts = |name: &str| kept.open(&kept.root().join(name), Access::Read).unwrap().facts().unwrap();
    assert_eq!((facts("a").id, facts("a").links, facts("a").mode), (facts("d/b").id, 2, 0o400));
    let refused = kept.open(&kept.root().join("a"), Access::Write).err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::PermissionDenied);
    // The file is there as long as it has a name.
    kept.unlink(&kept.root().join("a")).unwrap();
    kept.sync_dir(&kept.root()).unwrap();
    let after = kept.crash(Crash::NOTHING_KEPT);
    assert_eq!((read(&after, "a"), read(&after, "d/b").unwrap()), (None, b"old".to_vec()));
}

#[test]
#[should_panic(expected = "while it had 2 names")]
fn writing_to_a_file_of_two_names_is_noticed() {
    let disk = disk();
    let file = durable(&disk, "a", b"old");
    disk.hard_link(&disk.root().join("a"), &disk.root().join("b")).unwrap();
    write(&*file, 0, b"new").unwrap();
    drop(disk.crash(Crash::ALL_KEPT));
}

#[test]
fn where_links_are_refused_a_file_keeps_its_one_name() {
    let disk = disk();
    durable(&disk, "a", b"old");
    disk.refuse_links();
    let refused = disk.hard_link(&disk.root().join("a"), &disk.root().join("b")).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::CrossesDevices);
    assert_eq!(disk.counts().of(CallKind::HardLink), 1);
    assert!(read(&disk, "b").is_none());
}

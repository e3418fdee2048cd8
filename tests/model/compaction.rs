//! Compaction as the model has it: it changes nothing but the room that the store takes.

use mediacask::disk::Disk;

use super::world::World;

impl World {
    /// Has everything compacted that is worth it. What was written before is durable then.
    pub(crate) fn compact(&mut self) {
        self.note("compact");
        if self.erases() {
            return self.erase();
        }
        match self.store().compact() {
            Ok(report) => {
                self.history.sync();
                self.tally.count("compactions");
                self.tally.add("segments compacted", report.segments_compacted);
                self.tally.add("segments freed", report.segments_freed);
                self.tally.add("blob files freed", report.files_freed);
            }
            Err(error) => self.expect_disturbance(&error),
        }
    }

    /// The same where what was deleted is erased by it, and what has expired is swept before.
    fn erase(&mut self) {
        let (after, _) = self.history.live().sweep(self.now_ms());
        let answer = self.store().compact();
        self.settle_steps(answer, after, |world, report| {
            world.tally.count("erasures");
            world.tally.add("segments compacted", report.segments_compacted);
            world.tally.add("segments freed", report.segments_freed);
            world.tally.add("blob files freed", report.files_freed);
        });
    }

    /// Closes the store, takes away what is derived, and opens it again: what was deleted, overwritten or has
    /// expired does not come back, whatever was compacted before.
    pub(crate) fn reopen_with_the_log_alone(&mut self) {
        self.note("close, lose catalog and index, and open");
        self.reopen_after(|world| {
            let root = world.disk.root();
            let _ = std::fs::remove_dir_all(root.join("index"));
            if world.disk.unlink(&root.join("catalog")).is_ok() {
                world.disk.sync_dir(&root).expect("a calm disk syncs");
            }
            world.tally.count("openings with the log alone");
        });
    }
}

//! A hash table of rows that have lasting slots.
//!
//! Rows lie close together in one vector; the index beside it takes five bytes a row. A slot is a row's
//! name for as long as it lives, and is given to another row after that: who keeps a slot checks what
//! it finds there.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

/// What a table needs to know of its rows.
pub(crate) trait Row: Copy {
    /// Where the row is filed. Must not change while the row is in a table.
    fn hash(&self) -> u64;
}

/// Rows by hash and by slot.
pub(crate) struct Table<T> {
    rows: Vec<T>,
    free: Vec<u32>,
    index: HashTable<u32>,
}

impl<T: Row> Table<T> {
    pub(crate) fn new() -> Table<T> {
        Table { rows: Vec::new(), free: Vec::new(), index: HashTable::new() }
    }

    /// Makes room for this many more rows at once.
    pub(crate) fn reserve(&mut self, more: usize) {
        self.rows.reserve_exact(more);
        let rows = &self.rows;
        self.index.reserve(more, |slot| rows[*slot as usize].hash());
    }

    /// The slot of the row that `is` says yes to.
    pub(crate) fn find(&self, hash: u64, is: impl Fn(&T) -> bool) -> Option<u32> {
        self.index.find(hash, |slot| is(&self.rows[*slot as usize])).copied()
    }

    /// The row of a slot; of a slot that is free, the row that was there last.
    pub(crate) fn get(&self, slot: u32) -> Option<&T> {
        self.rows.get(slot as usize)
    }

    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut T> {
        self.rows.get_mut(slot as usize)
    }

    /// Files a row that is not there yet.
    pub(crate) fn insert(&mut self, row: T) -> u32 {
        let slot = self.free.pop().unwrap_or_else(|| {
            if self.rows.len() == self.rows.capacity() {
                // A quarter, and not as much again: there are millions of rows, and moving them is the kernel's work.
                self.rows.reserve_exact(self.rows.len() / 4 + 4);
            }
            self.rows.push(row);
            self.rows.len() as u32 - 1
        });
        self.rows[slot as usize] = row;
        let rows = &self.rows;
        self.index.insert_unique(row.hash(), slot, |slot| rows[*slot as usize].hash());
        slot
    }

    /// Takes the row of a slot out.
    pub(crate) fn remove(&mut self, slot: u32) {
        let hash = self.rows[slot as usize].hash();
        let rows = &self.rows;
        let found = self.index.entry(hash, |filed| *filed == slot, |slot| rows[*slot as usize].hash());
        if let Entry::Occupied(found) = found {
            found.remove();
            self.free.push(slot);
        }
    }

    /// One more than the highest slot there ever was.
    pub(crate) fn slots(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    /// All rows and their slots, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.index.iter().map(|slot| (*slot, &self.rows[*slot as usize]))
    }

    /// Takes out the rows that `keep` says no to.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(u32, &mut T) -> bool) {
        let (rows, free) = (&mut self.rows, &mut self.free);
        self.index.retain(|slot| {
            let kept = keep(*slot, &mut rows[*slot as usize]);
            if !kept {
                free.push(*slot);
            }
            kept
        });
    }

    /// Bytes of memory it takes.
    pub(crate) fn memory(&self) -> usize {
        self.rows.capacity() * size_of::<T>() + self.free.capacity() * 4 + self.index.capacity() * 8 / 7 * 5
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Row for u64 {
        fn hash(&self) -> u64 {
            self / 3
        }
    }

    #[test]
    fn slots_last_while_their_rows_live_and_are_used_again_after() {
        let mut table = Table::new();
        let slots: Vec<u32> = (0..100u64).map(|n| table.insert(n)).collect();
        assert!((0..100u64).all(|n| table.find(n / 3, |row| *row == n) == Some(slots[n as usize])));
        table.remove(slots[50]);
        assert_eq!((table.find(50 / 3, |row| *row == 50), table.len()), (None, 99));
        assert_eq!(table.insert(1000), slots[50]);
        table.retain(|_, row| *row % 2 == 0);
        assert_eq!((table.len(), table.iter().count()), (50, 50));
    }
}

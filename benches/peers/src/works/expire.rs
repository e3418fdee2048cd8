//! Expiry: the time of all names has come at once. mediacask sweeps; the others, which keep no lifetimes, are given
//! the names to delete, a thousand to a transaction: finding them costs them nothing here.
//!
//! `expire` is until everything is gone for readers and from the log; `expire_index` is how long the first listing
//! takes after it, which in mediacask waits for the index to have followed.

use super::Bench;
use crate::content::{self, random_name};
use crate::measure::once;
use crate::peer::{Content, Role, Setup};
use crate::report::row_of;

const SIZE: usize = 512;
/// Names that are loaded together.
const GROUP: u64 = 1_000;

pub fn work(bench: &mut Bench<'_>) {
    let count = bench.form.expire;
    // None is due before the last is loaded.
    let lifetime = 2 * count;
    let setup = Setup { lifetime: Some(lifetime), ..Setup::default() };
    let mut field = bench.field("expire", &[Role::Store], &setup);
    let mut names = Vec::new();
    for start in (0..count).step_by(GROUP as usize) {
        let items: Vec<(String, Content)> =
            (start..count.min(start + GROUP)).map(|n| (random_name(n), content::fresh(SIZE))).collect();
        bench.each(&mut field, |entrant| entrant.peer.put_many(&items));
        names.extend(items.into_iter().map(|(name, _)| name));
    }
    let mut rows = Vec::new();
    bench.each(&mut field, |entrant| {
        let peer = &entrant.peer;
        peer.pass(lifetime);
        let mut slice = once(|| peer.expire(&names))?;
        slice.ops = count;
        let mut row = row_of(&slice, "expire", SIZE as u64, 1, entrant.kind.name)?;
        row.names = Some(count);
        row.note = peer.note();
        rows.push(row);
        // Hidden from readers they are in any case.
        if let Some(counts) = peer.counts().filter(|counts| counts.names > 0) {
            return Err(format!("{} expired names still take room", counts.names).into());
        }
        let mut reader = peer.reader()?;
        if reader.get(&names[0], &mut |_| ())? {
            return Err("an expired name is still there".into());
        }
        let mut left = 0;
        let mut slice = once(|| reader.list(None, 1_000, &mut |_| left += 1))?;
        slice.ops = count;
        let mut row = row_of(&slice, "expire_index", SIZE as u64, 1, entrant.kind.name)?;
        row.names = Some(count);
        rows.push(row);
        if left == 0 { Ok(()) } else { Err(format!("{left} expired names are still listed").into()) }
    });
    rows.sort_by_key(|row| row.work);
    bench.report.rows.extend(rows);
}

//! The same content under ever new names: a picture that a campaign sends to everybody. `disk_per_byte` is of the one
//! content: who stores it once comes near 1.

use super::Bench;
use crate::content::{self, name};
use crate::measure::on_threads;
use crate::peer::{Role, Setup};

const SIZE: usize = 1 << 20;
const THREADS: usize = 16;
/// All count: there is nothing to warm up that would not be the question itself.
const ROUNDS: usize = 2;

pub fn work(bench: &mut Bench<'_>) {
    let each = (bench.form.dedup as usize).div_ceil(THREADS);
    let total = (THREADS * each * ROUNDS) as u64;
    let setup = Setup { bytes: total * SIZE as u64, puts: total, ..Setup::default() };
    let mut field = bench.field("dedup", &[Role::Store, Role::Limit], &setup);
    let (content, longest) = (content::fresh(SIZE), bench.form.slice);
    for round in 1..=ROUNDS {
        bench.round(&mut field, round, |entrant| {
            let content = &content;
            on_threads(THREADS, each, 1, longest, &|thread| {
                Ok(Box::new(move |n| entrant.peer.put(&name(((round * each + n) * THREADS + thread) as u64), content)))
            })
        });
    }
    for entrant in bench.in_order(field) {
        let mut row = entrant.tally.row("dedup", SIZE as u64, THREADS as u64, entrant.kind.name);
        row.written_per_byte = entrant.tally.written_per_byte(SIZE as u64);
        row.disk_per_byte = entrant.disk_per_byte(SIZE as u64);
        row.note = entrant.peer.note();
        bench.report.rows.push(row);
    }
}

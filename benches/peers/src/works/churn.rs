//! Overwriting: 16 writers replace the content of the same names again and again, with upkeep on. How fast, and how
//! much room it takes for what lives.

use super::Bench;
use crate::content::{self, name, scattered};
use crate::measure::on_threads;
use crate::peer::{Content, Role, Setup};

pub fn work(bench: &mut Bench<'_>) {
    let (churn, names) = (bench.form.churn, bench.form.churn_names);
    let count = churn.threads * churn.each;
    let total = names + (count * (bench.form.rounds + 1)) as u64;
    let setup = Setup { bytes: total * churn.size as u64, puts: total, ..Setup::default() };
    let mut field = bench.field("churn", &[Role::Store, Role::Limit], &setup);
    for part in 0..names.div_ceil(100) {
        let items: Vec<(String, Content)> =
            (part * 100..names.min(part * 100 + 100)).map(|n| (name(n), content::fresh(churn.size))).collect();
        bench.each(&mut field, |entrant| entrant.peer.put_many(&items));
    }
    let longest = bench.form.slice;
    for round in 0..=bench.form.rounds {
        let contents = content::some(count, churn.size);
        bench.round(&mut field, round, |entrant| {
            let contents = &contents;
            on_threads(churn.threads, churn.each, 1, longest, &|thread| {
                Ok(Box::new(move |n| {
                    let place = n * churn.threads + thread;
                    let turn = (round * count + place) as u64;
                    entrant.peer.put(&name(scattered(turn, names)), &contents[place])
                }))
            })
        });
    }
    for entrant in bench.in_order(field) {
        let mut row = entrant.tally.row("churn", churn.size as u64, churn.threads as u64, entrant.kind.name);
        row.names = Some(names);
        row.written_per_byte = entrant.tally.written_per_byte(churn.size as u64);
        row.disk_per_byte = entrant.disk_per_byte(names * churn.size as u64);
        row.note = entrant.peer.note();
        bench.report.rows.push(row);
    }
}

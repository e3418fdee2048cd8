//! Hot reads: a set that fits into memory, read before. The first byte of a slice; every byte; 64 KiB of it.
//!
//! Here mediacask stands twice: `mediacask` checks every byte it shows at every read, as by default, also where the
//! caller looks at one of them; `mediacask-once` checks each chunk the first time it is read.

use std::hint::black_box;

use super::Bench;
use crate::content::{self, name, scattered};
use crate::form::Gets;
use crate::measure::on_threads;
use crate::peer::{Content, Reader, Result, Role, Setup};
use crate::report::Tally;

const RANGE: usize = 64 << 10;
/// Reads that are timed together.
const STRIDE: usize = 16;

/// One read of a name: by which number in a row it goes.
type Read = fn(&mut dyn Reader, &str, usize, u64) -> Result<bool>;

const READS: [(&str, Read); 3] = [
    ("get_slice", |reader, name, _, _| {
        reader.get(name, &mut |bytes| {
            black_box((bytes.len(), bytes.first().copied()));
        })
    }),
    ("get_bytes", |reader, name, _, _| {
        reader.get(name, &mut |bytes| {
            black_box(sum(bytes));
        })
    }),
    ("range", |reader, name, size, turn| {
        let start = scattered(turn, (size - RANGE + 1) as u64) as usize;
        reader.range(name, start..start + RANGE, &mut |bytes| {
            black_box(sum(bytes));
        })
    }),
];

/// Reads every byte.
pub fn sum(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let of_words = words.iter().fold(0, |sum, word| sum ^ u64::from_ne_bytes(*word));
    rest.iter().fold(of_words, |sum, byte| sum ^ u64::from(*byte))
}

pub fn work(bench: &mut Bench<'_>) {
    for gets in bench.form.gets.clone() {
        one(bench, gets);
    }
}

fn one(bench: &mut Bench<'_>, gets: Gets) {
    let setup = Setup { bytes: gets.names * gets.size as u64, puts: gets.names, ..Setup::default() };
    let title = format!("hot gets, {} bytes", gets.size);
    let mut field = bench.field(&title, &[Role::Store, Role::Reads, Role::Limit], &setup);
    let items: Vec<(String, Content)> = (0..gets.names).map(|n| (name(n), content::fresh(gets.size))).collect();
    // In parts, for who keeps a transaction in memory.
    let part = (2 << 20) / gets.size + 1;
    bench.each(&mut field, |entrant| items.chunks(part).try_for_each(|items| entrant.peer.put_many(items)));
    bench.each(&mut field, |entrant| entrant.peer.settle());
    bench.each(&mut field, |entrant| {
        let mut reader = entrant.peer.reader()?;
        for (name, content) in &items {
            let mut is_right = false;
            if !reader.get(name, &mut |bytes| is_right = *bytes == **content)? || !is_right {
                return Err(format!("{name} does not hold what was put").into());
            }
        }
        Ok(())
    });
    let longest = bench.form.slice;
    for (work, read) in READS {
        if work == "range" && gets.size <= RANGE {
            continue;
        }
        for entrant in &mut field.entrants {
            entrant.tally = Tally::default();
        }
        for round in 0..=bench.form.rounds {
            bench.round(&mut field, round, |entrant| {
                on_threads(1, gets.each, STRIDE, longest, &|_| {
                    let (mut reader, items) = (entrant.peer.reader()?, &items);
                    Ok(Box::new(move |n| {
                        let turn = n as u64;
                        let there =
                            read(&mut *reader, &items[scattered(turn, gets.names) as usize].0, gets.size, turn)?;
                        if there { Ok(()) } else { Err("a name is gone".into()) }
                    }))
                })
            });
        }
        for kind in bench.kinds {
            let Some(entrant) = field.entrants.iter().find(|entrant| entrant.kind.name == kind.name) else { continue };
            bench.report.rows.push(entrant.tally.row(work, gets.size as u64, 1, kind.name));
        }
    }
}

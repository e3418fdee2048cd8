//! How much of everything: the forms of the bench.

use std::time::Duration;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// Durable puts of a size by so many writers, each at most so many in a round.
#[derive(Clone, Copy)]
pub struct Puts {
    pub size: usize,
    pub threads: usize,
    pub each: usize,
}

/// A hot or cold set of contents, and how often each thread reads from it in a round.
#[derive(Clone, Copy)]
pub struct Gets {
    pub size: usize,
    pub names: u64,
    pub each: usize,
}

/// What a form does of each work.
#[derive(Clone)]
pub struct Form {
    pub name: &'static str,
    /// Rounds that count; one more comes before them, of writes, to warm up.
    pub rounds: usize,
    /// The longest a peer works in one round.
    pub slice: Duration,
    pub puts: Vec<Puts>,
    /// What lies in segments: 8 MiB have a file of their own.
    pub recycled: Vec<Puts>,
    /// Puts of one round for each that live in the steady state.
    pub rounds_alive: u64,
    pub gets: Vec<Gets>,
    pub cold: Vec<Gets>,
    /// Names that are loaded and listed, by every peer; and by mediacask alone.
    pub names: Vec<u64>,
    pub names_alone: Vec<u64>,
    /// The most of them for who keeps a file or more for each.
    pub names_as_files_max: u64,
    /// Works it consists of, by name; none named: all.
    pub works: &'static [&'static str],
    pub lookups: usize,
    pub churn: Puts,
    pub churn_names: u64,
    pub dedup: u64,
    pub expire: u64,
    pub day: Duration,
}

fn puts(all: &[(usize, usize, usize)]) -> Vec<Puts> {
    all.iter().map(|&(size, threads, each)| Puts { size, threads, each }).collect()
}

impl Form {
    /// Seconds; every peer, every work, tiny.
    pub fn smoke() -> Form {
        Form {
            name: "smoke",
            rounds: 1,
            slice: Duration::from_secs(2),
            puts: puts(&[(16 * KIB, 1, 2), (16 * KIB, 4, 2), (5 * MIB, 1, 1)]),
            recycled: puts(&[(16 * KIB, 2, 40)]),
            rounds_alive: 2,
            gets: vec![Gets { size: 80 * KIB, names: 4, each: 8 }],
            cold: vec![Gets { size: 80 * KIB, names: 4, each: 4 }],
            names: vec![100, 1_200],
            names_alone: vec![2_000],
            names_as_files_max: u64::MAX,
            works: &[],
            lookups: 100,
            churn: Puts { size: 16 * KIB, threads: 4, each: 4 },
            churn_names: 8,
            dedup: 8,
            expire: 1_100,
            day: Duration::from_millis(100),
        }
    }

    /// Under ten minutes on two cores, all peers.
    pub fn short() -> Form {
        Form {
            name: "short",
            rounds: 3,
            slice: Duration::from_millis(300),
            puts: puts(&[
                (16 * KIB, 1, 600),
                (16 * KIB, 4, 300),
                (16 * KIB, 16, 200),
                (16 * KIB, 64, 60),
                (128 * KIB, 1, 200),
                (128 * KIB, 16, 40),
                (MIB, 1, 32),
                (MIB, 16, 6),
                (8 * MIB, 1, 6),
            ]),
            recycled: puts(&[(16 * KIB, 1, 2_048), (16 * KIB, 16, 256), (128 * KIB, 16, 32), (MIB, 16, 8)]),
            rounds_alive: 3,
            gets: vec![
                Gets { size: 16 * KIB, names: 1_000, each: 100_000 },
                Gets { size: MIB, names: 100, each: 100_000 },
            ],
            cold: vec![Gets { size: 16 * KIB, names: 400, each: 400 }, Gets { size: MIB, names: 40, each: 40 }],
            names: vec![10_000, 100_000],
            names_alone: vec![],
            names_as_files_max: u64::MAX,
            works: &[],
            lookups: 50_000,
            churn: Puts { size: 16 * KIB, threads: 16, each: 60 },
            churn_names: 2_000,
            dedup: 200,
            expire: 20_000,
            day: Duration::from_secs(2),
        }
    }

    /// What grows: a put's cost by writers, and everything's by names.
    pub fn scaling() -> Form {
        let mut form = Form::full();
        form.name = "scaling";
        form.rounds = 3;
        form.slice = Duration::from_millis(700);
        form.puts = [1, 2, 4, 8, 16, 32, 64]
            .map(|threads| Puts { size: 16 * KIB, threads, each: (8_000 / threads).min(4_000) })
            .to_vec();
        form.names = vec![10_000, 100_000, 1_000_000];
        form.names_alone = vec![10_000_000];
        // A million files and their directories: the full form has the patience.
        form.names_as_files_max = 100_000;
        form.works = &["put", "names"];
        form
    }

    /// Everything that does not grow; an hour or more.
    pub fn full() -> Form {
        let mut all: Vec<Puts> = Vec::new();
        for threads in [1, 4, 16] {
            all.extend(puts(&[
                (16 * KIB, threads, 1_600 / threads),
                (128 * KIB, threads, 384 / threads),
                (MIB, threads, 96 / threads),
                (8 * MIB, threads, 16 / threads),
            ]));
        }
        Form {
            name: "full",
            rounds: 7,
            slice: Duration::from_secs(2),
            puts: all,
            recycled: puts(&[(16 * KIB, 1, 4_000), (16 * KIB, 16, 500), (128 * KIB, 16, 64), (MIB, 16, 8)]),
            rounds_alive: 6,
            gets: vec![
                Gets { size: 16 * KIB, names: 1_000, each: 2_000_000 },
                Gets { size: 128 * KIB, names: 1_000, each: 2_000_000 },
                Gets { size: MIB, names: 200, each: 2_000_000 },
            ],
            cold: vec![Gets { size: 16 * KIB, names: 2_000, each: 2_000 }, Gets { size: MIB, names: 200, each: 200 }],
            names: vec![1_000_000],
            names_alone: vec![],
            names_as_files_max: u64::MAX,
            works: &[],
            lookups: 500_000,
            churn: Puts { size: 16 * KIB, threads: 16, each: 1_000 },
            churn_names: 5_000,
            dedup: 2_000,
            expire: 200_000,
            day: Duration::from_secs(20),
        }
    }
}

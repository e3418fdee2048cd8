//! demo: it shows the promises, checks them itself, and says so when it cannot.

use std::path::Path;

use crate::bench::{Bench, Run};

fn demo(bench: &Bench, media: &Path) -> Run {
    let mut tool = bench.tool();
    // Its temporary store lies in the directory of the bench, so that what it leaves is seen.
    tool.env("TMPDIR", bench.path(".")).arg("demo").arg("--media").arg(media);
    tool.output().expect("the tool runs").into()
}

#[test]
fn the_demo_keeps_every_promise_and_leaves_nothing_behind() {
    let bench = Bench::new();
    bench.file("media/README.md", "not media");
    bench.file("media/make.sh", "not media");
    for (name, len) in [("a.jpg", 90_000u32), ("b.png", 40_000), ("c.mp3", 5), ("d.vcf", 700)] {
        let content: Vec<u8> = (0..len).flat_map(|n| (n ^ len).to_le_bytes()).collect();
        bench.file(&format!("media/{name}"), content);
    }
    let run = demo(&bench, &bench.path("media"));
    let text = run.text();
    assert_eq!(run.code, 0, "{text}");
    assert!(text.contains("4 files of media"), "{text}");
    let (_, summary) = text.split_once("\nSummary\n").expect("a summary");
    assert_eq!(summary.matches("   ok  ").count(), 7, "{text}");
    assert!(!text.contains("FAILED") && !text.contains('\x1b'), "{text}");
    assert!(text.contains("SIGKILL") && text.contains("8 names in 2 accounts"), "{text}");
    assert!(summary.contains("in 4 accounts") && summary.contains("All 7 steps"), "{summary}");
    assert_eq!(std::fs::read_dir(bench.path(".")).unwrap().count(), 1);
}

#[test]
fn without_media_it_says_where_to_find_some() {
    let bench = Bench::new();
    demo(&bench, &bench.path("absent")).exits(1).says("absent");
    bench.file("media/only.txt", "one");
    demo(&bench, &bench.path("media")).exits(1).says("--media");
}

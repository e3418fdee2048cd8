//! ls: limits, tokens, delimiters, in text and in JSON.

use crate::bench::Bench;

/// Twenty-five names in the one account.
fn with_names() -> (Bench, Vec<String>) {
    let bench = Bench::new();
    let names: Vec<String> = (0..25).map(|number| format!("n{number:02}")).collect();
    for name in &names {
        bench.file(&format!("tree/{name}"), name);
    }
    bench.run(&["import", "a", "tree"]).ok();
    (bench, names)
}

#[test]
fn a_limit_gives_that_many_and_a_token_for_the_rest() {
    let (bench, names) = with_names();
    let mut walked = Vec::new();
    let mut token = Vec::new();
    for wanted in [10, 10, 5] {
        let mut arguments = vec!["ls", "a", "--limit", "10", "--json"];
        arguments.extend(token.iter().flat_map(|token: &String| ["--token", token.as_str()]));
        let page = bench.run(&arguments).ok();
        assert_eq!(page.texts("name").len(), wanted);
        walked.extend(page.texts("name"));
        token = page.texts("next_token");
        let last = page.objects().pop().expect("a line");
        assert_eq!(last["next_token"].is_string(), wanted == 10);
    }
    assert_eq!(walked, names);
    assert!(token.is_empty());
}

#[test]
fn in_text_the_token_is_the_last_line() {
    let (bench, names) = with_names();
    let text = bench.run(&["ls", "a", "--limit", "24"]).ok().text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 25);
    assert!(lines[0].ends_with("  n00") && lines[23].ends_with("  n23"), "{text}");
    let token = lines[24].strip_prefix("token ").expect("the token line");
    let rest = bench.run(&["ls", "a", "--token", token]).ok().text();
    assert!(rest.lines().count() == 1 && rest.trim_end().ends_with(&names[24]), "{rest}");
}

#[test]
fn all_walks_to_the_end_and_prints_no_token() {
    let (bench, names) = with_names();
    for arguments in [&["ls", "a", "--all", "--json"][..], &["ls", "a", "--limit", "25", "--json"]] {
        let listed = bench.run(arguments).ok();
        assert_eq!(listed.texts("name"), names);
        assert!(listed.texts("next_token").is_empty());
    }
    let page = bench.run(&["ls", "a", "--limit", "5", "--json"]).ok();
    let rest = bench.run(&["ls", "a", "--all", "--json", "--token", &page.texts("next_token")[0]]).ok();
    assert_eq!(rest.texts("name"), names[5..]);
}

#[test]
fn a_listing_of_more_than_a_page_gives_all_that_were_asked_for() {
    let bench = Bench::new();
    for number in 0..1203 {
        bench.file(&format!("tree/{number:04}"), "the same");
    }
    bench.run(&["import", "a", "tree"]).ok();
    let count = |arguments: &[&str]| bench.run(arguments).ok().texts("name").len();
    assert_eq!(count(&["ls", "a", "--json", "--limit", "1100"]), 1100);
    assert_eq!(count(&["ls", "a", "--json"]), 1000);
    assert_eq!(count(&["ls", "a", "--json", "--all"]), 1203);
}

#[test]
fn a_delimiter_rolls_names_up_in_order_with_the_others() {
    let bench = Bench::new();
    for name in ["a.txt", "b/1", "b/2", "b0", "c/d/e", "z"] {
        bench.put(name, b"x");
    }
    let listed = bench.run(&["ls", "a", "--delimiter", "/", "--json"]).ok().objects();
    let shown: Vec<&str> = listed
        .iter()
        .map(|object| object["name"].as_str().or(object["prefix"].as_str()).expect("one of the two"))
        .collect();
    assert_eq!(shown, ["a.txt", "b/", "b0", "c/", "z"]);
    let below = bench.run(&["ls", "a", "--delimiter", "/", "--prefix", "b/", "--json"]).ok();
    assert_eq!(below.texts("name"), ["b/1", "b/2"]);
    let page = bench.run(&["ls", "a", "--delimiter", "/", "--limit", "2", "--json"]).ok();
    assert_eq!(page.objects()[1]["prefix"], "b/");
    let token = page.texts("next_token").remove(0);
    let rest = bench.run(&["ls", "a", "--delimiter", "/", "--token", &token, "--json"]).ok();
    assert_eq!((rest.texts("name"), rest.texts("prefix")), (vec!["b0".into(), "z".into()], vec!["c/".into()]));
}

#[test]
fn a_token_is_for_its_own_account_and_prefix() {
    let (bench, _) = with_names();
    bench.run_with(b"x", &["put", "b", "n", "-"]).ok();
    let token = bench.run(&["ls", "a", "--limit", "5", "--json"]).ok().texts("next_token").remove(0);
    bench.run(&["ls", "b", "--token", &token]).exits(2).says("token");
    bench.run(&["ls", "a", "--prefix", "n", "--token", &token]).exits(2).says("token");
    bench.run(&["ls", "a", "--token", &token[1..]]).exits(2).says("token");
}

#[test]
fn an_account_without_names_lists_as_nothing() {
    let bench = Bench::new();
    bench.put("n", b"x");
    assert!(bench.run(&["ls", "b"]).ok().stdout.is_empty());
    assert!(bench.run(&["ls", "a", "--prefix", "zz", "--json"]).ok().stdout.is_empty());
}

//! One process has a store, once: whoever else opens it hears who.

use std::process::{Command, id};

use mediacask::{ErrorKind, PutOptions, Store};

use crate::directory;

const DIR: &str = "MEDIACASK_TEST_LOCKED_DIR";
const HOLDER: &str = "MEDIACASK_TEST_LOCKED_BY";

#[test]
fn a_second_open_of_this_process_hears_that_it_is_held_and_by_whom() {
    let dir = directory();
    let store = Store::open(dir.path()).unwrap();
    for _ in 0..3 {
        let refused = Store::open(dir.path()).unwrap_err();
        assert_eq!((refused.kind(), refused.holder_pid()), (ErrorKind::Locked, Some(id())));
        assert!(refused.to_string().contains(&format!("process {}", id())), "{refused}");
    }
    store.account("a").unwrap().put("name", "the refused ones did no harm", &PutOptions::new()).unwrap();
    store.close().unwrap();
    let store = Store::open(dir.path()).unwrap();
    assert!(store.account("a").unwrap().contains("name").unwrap());
}

#[test]
fn another_process_hears_that_it_is_held_and_by_whom() {
    if let (Some(dir), Ok(holder)) = (std::env::var_os(DIR), std::env::var(HOLDER)) {
        let refused = Store::open(dir).unwrap_err();
        assert_eq!((refused.kind(), refused.holder_pid()), (ErrorKind::Locked, holder.parse().ok()));
        return;
    }
    let dir = directory();
    let store = Store::open(dir.path()).unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "lock::another_process_hears_that_it_is_held_and_by_whom"]);
    let output = command.env(DIR, dir.path()).env(HOLDER, id().to_string()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    store.account("a").unwrap().put("name", "it did no harm", &PutOptions::new()).unwrap();
}

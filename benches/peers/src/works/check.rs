//! Before anything is measured: does each peer do what is asked, and give back the bytes that were put; after it was
//! closed, and after its process was killed?

use std::path::Path;

use super::put::expect;
use super::{Bench, Entrant};
use crate::child::{fill_and_kill, items};
use crate::content;
use crate::peer::{Content, Kind, Peer, Reader, Result, Role, Setup};

const SIZES: [usize; 5] = [1, 4_096, 70_001, 1 << 20, (5 << 20) + 1];
const KILLED: u64 = 20;

pub fn work(bench: &mut Bench<'_>) {
    let setup = Setup { bytes: 32 << 20, puts: 200, ..Setup::default() };
    let mut field = bench.field("check", &[Role::Store, Role::Reads, Role::Limit], &setup);
    let items: Vec<(String, Content)> =
        SIZES.iter().map(|size| (format!("check/{size:08}"), content::fresh(*size))).collect();
    bench.each(&mut field, |entrant| puts_and_gets(&*entrant.peer, &items));
    field.entrants.retain(|entrant| entrant.kind.role != Role::Limit);
    bench.each(&mut field, |entrant| names(&*entrant.peer, &items));
    for (kind, dir, _) in bench.in_order(field).into_iter().map(Entrant::close) {
        if let Err(error) = survives(kind, dir.path(), &items) {
            bench.report.fail(kind.name, "check", &error);
        }
    }
}

fn puts_and_gets(peer: &dyn Peer, items: &[(String, Content)]) -> Result<()> {
    let (first, rest) = items.split_first().ok_or("nothing to put")?;
    // Replaced by what it is to hold.
    peer.put(&first.0, &content::fresh(300))?;
    peer.put(&first.0, &first.1)?;
    for (name, content) in &rest[1..] {
        peer.put(name, content)?;
    }
    peer.put_many(&rest[..1])?;
    let mut reader = peer.reader()?;
    for (name, content) in items {
        expect(peer, name, content)?;
        let part = content.len() / 3..content.len() - content.len() / 4;
        let mut is_right = false;
        reader.range(name, part.clone(), &mut |bytes| is_right = *bytes == content[part.clone()])?;
        if !is_right {
            return Err(format!("a range of {name} is not what was put").into());
        }
    }
    if reader.get("check/absent", &mut |_| ())? {
        return Err("a name is there that was never put".into());
    }
    Ok(())
}

/// All names, by pages of three.
fn list(reader: &mut dyn Reader) -> Result<Vec<String>> {
    let mut all: Vec<String> = Vec::new();
    loop {
        let before = all.len();
        let last = all.last().cloned();
        reader.list(last.as_deref(), 3, &mut |name| all.push(name.to_owned()))?;
        if all.len() == before {
            return Ok(all);
        }
    }
}

fn names(peer: &dyn Peer, items: &[(String, Content)]) -> Result<()> {
    let mut all: Vec<String> = items.iter().map(|(name, _)| name.clone()).collect();
    all.sort();
    let mut reader = peer.reader()?;
    if list(&mut *reader)? != all {
        return Err("the names are not those that were put, in their order".into());
    }
    peer.put("check/deleted", &content::fresh(5_000))?;
    peer.delete_many(&["check/deleted".to_owned()])?;
    if peer.reader()?.get("check/deleted", &mut |_| ())? || list(&mut *peer.reader()?)? != all {
        return Err("a name that was deleted is still there".into());
    }
    Ok(())
}

fn survives(kind: Kind, dir: &Path, before: &[(String, Content)]) -> Result<()> {
    fill_and_kill(kind, dir, 0, KILLED, 5_000)?;
    let peer = (kind.open)(dir, &Setup::default())?;
    for (name, content) in before.iter().chain(&items(0, KILLED, 5_000)) {
        expect(&*peer, name, content)?;
    }
    Ok(())
}

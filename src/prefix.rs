//! Counting the names under a prefix, for puts that are limited by it.
//!
//! The account begins to take note of changes under the prefix, then the names that were there before are
//! found by a walk of the index; the two are brought together by sequence (`catalog/accounts.rs`). From then
//! on the count is kept in memory.

use std::ops::{Bound, ControlFlow};

use crate::catalog::accounts::Member;
use crate::commit::request::{Intent, Request};
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::PREFIX_LIMIT_COUNT_MAX;
use crate::options::PrefixLimit;

/// Counts the prefixes that limit the puts of a request, where that was not done yet.
pub(crate) fn count(engine: &Engine, request: &Request) -> Result<()> {
    for intent in &request.intents {
        let (account, limit) = match intent {
            Intent::Put(put) => (&put.target.account, put.prefix_limit.as_ref()),
            Intent::Copy { to, prefix_limit, .. } => (&to.account, prefix_limit.as_ref()),
            _ => continue,
        };
        if let Some(limit) = limit {
            count_prefix(engine, account, limit)?;
        }
    }
    Ok(())
}

fn count_prefix(engine: &Engine, account: &str, limit: &PrefixLimit) -> Result<()> {
    let _open = engine.hold_open()?;
    let known = engine.catalog.accounts.intern(account);
    let count = {
        let mut state = known.state.lock();
        if state.members(&limit.prefix).is_some() {
            return Ok(());
        }
        state.count_prefix(&limit.prefix)
    };
    engine.commit.sync_if_behind()?;
    let (from, now_ms) = (engine.commit.durable(), engine.clock.now_ms());
    loop {
        engine.upkeep.make_current(account, from)?;
        let (mut found, mut alive) = (Vec::new(), 0);
        let scanned = engine.index.scan(account, Bound::Unbounded, &limit.prefix, usize::MAX, &mut |name, _| {
            let key = engine.log.secret.name_key(account, name);
            if let Some(row) = engine.catalog.name(key) {
                let size = engine.catalog.content(row.content).map_or(0, |content| content.len);
                found.push((key, Member { sequence: row.sequence, size: Some(size), expires_ms: row.expires_ms }));
                alive += u64::from(!row.is_over(now_ms));
            }
            // One more than can be allowed is as good as all: the put is refused.
            if alive > PREFIX_LIMIT_COUNT_MAX { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        if let Err(broken) = scanned {
            engine.upkeep.distrust_index(&broken.to_string());
            continue;
        }
        let mut state = known.state.lock();
        if alive > PREFIX_LIMIT_COUNT_MAX {
            state.forget_prefix(&limit.prefix);
            let message = format!(
                "more than {PREFIX_LIMIT_COUNT_MAX} names begin with {:?} already; the limit is {}",
                limit.prefix, limit.count
            );
            return Err(Error::new(ErrorKind::QuotaExceeded, message));
        }
        state.complete_prefix(&limit.prefix, count, found.into_iter());
        return Ok(());
    }
}

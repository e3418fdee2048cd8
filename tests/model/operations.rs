//! The operations of the model test, drawn from the world's numbers.

use std::io::{Seek, SeekFrom};
use std::time::{Duration, UNIX_EPOCH};

use mediacask::{DeleteOptions, Digest, Durability, Expiry, ListOptions, Outcome, Policy, PrefixLimit};

use super::state::{Condition, Content, State, Target, Touch, Wish};
use super::world::{ACCOUNTS, FILE_THRESHOLD, World};
use crate::support::Random;

impl World {
    /// Does one operation, with whatever is thrown in, and recovers from it.
    pub(crate) fn step(&mut self) {
        self.tally.count("operations");
        let lives_long = self.lives_long();
        if !lives_long || self.random.sixteenths(4) {
            self.throw_in();
        }
        if lives_long && self.random.sixteenths(13) {
            self.turn_over();
        } else {
            self.act();
        }
        self.mend();
    }

    /// What fills segments, ends what is in them, and has them written again.
    fn turn_over(&mut self) {
        match self.random.below(16) {
            0..=10 => self.overwrite(),
            11 => self.move_clock(),
            12 => self.checkpoint(),
            13 => self.compact(),
            _ => self.sweep(),
        }
    }

    /// Puts something new, nearly as long as what has no file of its own can be, and mostly for a short time.
    fn overwrite(&mut self) {
        let (target, durability) = (self.target(), self.durability());
        let bytes = self.random.bytes(FILE_THRESHOLD as usize - 1000);
        let expiry = match self.random.below(4) {
            0 => Expiry::Never,
            _ => Expiry::After(Duration::from_millis(1 + self.random.below(5000))),
        };
        self.put_as(&target, &Content::new(bytes), &Wish { expiry, ..Wish::default() }, durability);
    }

    fn act(&mut self) {
        match self.random.below(100) {
            0..=36 => self.put(),
            37..=44 => self.delete(),
            45..=50 => self.update(),
            51..=56 => self.copy(),
            57..=63 => self.batch(),
            64..=71 => self.read(),
            72..=74 => self.walk(),
            77 if self.random.sixteenths(4) => self.write_index_anew(),
            75..=77 => self.sync(),
            78..=80 => self.sweep(),
            81..=82 => self.compact(),
            83..=85 => self.checkpoint(),
            86..=91 => self.move_clock(),
            92..=93 if self.has_policies() => self.set_policy(),
            94 => self.purge(),
            95 => self.purge_digest(),
            96 => self.let_go(),
            97 if self.random.sixteenths(6) => self.reopen_with_the_log_alone(),
            97 => self.reopen(),
            98 => self.kill(),
            _ => self.check_all(true),
        }
    }

    fn target(&mut self) -> Target {
        // Most of the life is in one account.
        let below =
            if self.random.sixteenths(10) { self.universe.len() as u64 / 3 } else { self.universe.len() as u64 };
        let nth = self.random.below(below) as usize;
        self.universe[nth].clone()
    }

    /// Content that may be in the store already, or is new.
    fn content(&mut self) -> Content {
        let nth = match self.random.below(16) {
            0 => self.random.below(5),
            _ => 5 + self.random.below(self.contents.len() as u64 - 5),
        };
        let content = self.contents[nth as usize].clone();
        if content.len() < 8 || self.random.sixteenths(5) {
            return content;
        }
        let mut bytes = content.bytes.to_vec();
        bytes[..8].copy_from_slice(&self.random.next().to_le_bytes());
        Content::new(bytes)
    }

    fn durability(&mut self) -> Durability {
        if self.random.sixteenths(6) { Durability::Os } else { Durability::Sync }
    }

    fn expiry(&mut self) -> Expiry {
        let now_ms = self.now_ms();
        let random = &mut self.random;
        match random.below(16) {
            0..=7 => Expiry::Policy,
            8 => Expiry::Never,
            9 => Expiry::At(UNIX_EPOCH + Duration::from_millis(now_ms - 5 + random.below(10))),
            10 => Expiry::At(UNIX_EPOCH + Duration::from_millis(now_ms + random.below(50_000))),
            _ => Expiry::After(Duration::from_millis(1 + random.below(20_000))),
        }
    }

    fn condition(&mut self, target: &Target) -> Condition {
        let item = self.history.live().alive(target, self.now_ms()).cloned();
        let random = &mut self.random;
        match (random.below(24), item) {
            (0..=1, _) => Condition::Absent,
            (2, Some(item)) => Condition::Match(item.content.digest),
            (3, Some(item)) => item.generation.map_or(Condition::None, Condition::Generation),
            (4, _) => Condition::Match(Digest::of(b"something else")),
            (5, _) => Condition::Generation(1 + random.below(5)),
            _ => Condition::None,
        }
    }

    fn wish(&mut self, target: &Target) -> Wish {
        let (expiry, condition) = (self.expiry(), self.condition(target));
        let random = &mut self.random;
        let prefix = target.1.char_indices().nth(2).map_or(&target.1[..], |(at, _)| &target.1[..at]).to_owned();
        Wish {
            content_type: random.sixteenths(8).then(|| "image/png".to_owned()),
            metadata: pair(random).into_iter().collect(),
            expiry,
            condition,
            prefix_limit: random.sixteenths(1).then(|| PrefixLimit::new(prefix, 1 + random.below(4), 1 << 14)),
        }
    }

    fn put(&mut self) {
        let (target, content, durability) = (self.target(), self.content(), self.durability());
        let wish = self.wish(&target);
        self.put_as(&target, &content, &wish, durability);
    }

    pub(crate) fn put_as(&mut self, target: &Target, content: &Content, wish: &Wish, durability: Durability) {
        self.note(format!("put {target:?} {} {durability:?} {wish:?}", content.len()));
        let ruled = self.history.live().put(target, content, wish, self.now_ms(), self.newest());
        let (account, options) = (self.account(target.0), wish.options().durability(durability));
        let answer = if self.random.sixteenths(4) {
            account.put_reader(&target.1, &content.bytes[..], &options)
        } else {
            account.put(&target.1, &content.bytes, &options)
        };
        self.settle(answer, ruled, durability == Durability::Sync, |world, entry, after| {
            world.take_entry(target, &entry, after);
        });
    }

    fn delete(&mut self) {
        let (target, durability) = (self.target(), self.durability());
        let condition = self.condition(&target);
        let options = DeleteOptions::new().durability(durability);
        let (condition, options) = match condition {
            Condition::Match(digest) => (condition, options.if_match(digest)),
            Condition::Generation(generation) => (condition, options.if_generation(generation)),
            _ => (Condition::None, options),
        };
        self.delete_as(&target, &condition, &options, durability == Durability::Sync);
    }

    pub(crate) fn delete_as(
        &mut self,
        target: &Target,
        condition: &Condition,
        options: &DeleteOptions,
        is_durable: bool,
    ) {
        self.note(format!("delete {target:?} {options:?}"));
        let existed = self.history.live().alive(target, self.now_ms()).is_some();
        let ruled = self.history.live().delete(target, condition, self.now_ms());
        let answer = self.account(target.0).delete(&target.1, options);
        self.settle(answer, ruled, is_durable, |_, answer, _| assert_eq!(answer, existed));
    }

    fn update(&mut self) {
        let (target, durability) = (self.target(), self.durability());
        let (expiry, condition) = (self.expiry(), self.condition(&target));
        let condition = if matches!(condition, Condition::Absent) { Condition::None } else { condition };
        let random = &mut self.random;
        let touch = Touch {
            content_type: random.sixteenths(6).then(|| ["", "audio/ogg"][random.below(2) as usize].to_owned()),
            set: pair(random),
            expiry: random.sixteenths(8).then_some(expiry),
            condition,
        };
        self.note(format!("update {target:?} {durability:?} {touch:?}"));
        let existed = self.history.live().alive(&target, self.now_ms()).is_some();
        let ruled = self.history.live().update(&target, &touch, self.now_ms(), self.newest());
        let answer = self.account(target.0).update(&target.1, &touch.options().durability(durability));
        self.settle(answer, ruled, durability == Durability::Sync, |world, entry, after| {
            assert_eq!(entry.is_some(), existed);
            entry.iter().for_each(|entry| world.take_entry(&target, entry, after));
        });
    }

    fn copy(&mut self) {
        let (from, durability) = (self.target(), self.durability());
        let nth = self.random.below(self.universe.len() as u64 / 3) as usize;
        let to = (from.0, self.universe[nth].1.clone());
        let wish = self.wish(&to);
        self.note(format!("copy {from:?} to {:?} {durability:?} {wish:?}", to.1));
        let existed = self.history.live().alive(&from, self.now_ms()).is_some();
        let ruled = self.history.live().copy(&from, &to, &wish, self.now_ms(), self.newest());
        let answer = self.account(from.0).copy(&from.1, &to.1, &wish.options().durability(durability));
        self.settle(answer, ruled, durability == Durability::Sync, |world, entry, after| {
            assert_eq!(entry.is_some(), existed);
            entry.iter().for_each(|entry| world.take_entry(&to, entry, after));
        });
    }

    fn batch(&mut self) {
        let (account, durability) = (self.target().0, self.durability());
        let mut batch = self.account(account).batch();
        batch.durability(durability);
        let (mut ruled, mut puts) = (Ok(self.history.live().clone()), Vec::new());
        for _ in 0..=self.random.below(9) {
            let target = (account, self.target().1);
            let before = ruled.as_ref().ok().cloned();
            if self.random.sixteenths(4) {
                batch.delete(&target.1, &DeleteOptions::new()).expect("a delete is added");
                let existed = before.as_ref().is_some_and(|state| state.alive(&target, self.now_ms()).is_some());
                puts.push((target.clone(), Some(existed)));
                ruled = ruled.and_then(|state| state.delete(&target, &Condition::None, self.now_ms()));
            } else {
                let content = self.content();
                let wish = Wish { condition: Condition::None, prefix_limit: None, ..self.wish(&target) };
                batch.put(&target.1, &content.bytes[..], &wish.options()).expect("a put is added");
                puts.push((target.clone(), None));
                ruled = ruled.and_then(|state| state.put(&target, &content, &wish, self.now_ms(), self.newest()));
            }
        }
        self.note(format!("batch in {account} {durability:?} of {} puts and deletes", puts.len()));
        let answer = batch.commit();
        self.settle(answer, ruled, durability == Durability::Sync, |world, outcomes, after| {
            world.take_outcomes(&puts, &outcomes, after);
        });
        self.tally.count("batches");
    }

    /// Of several puts of one name in a batch, the last one's entry is there afterwards.
    fn take_outcomes(&mut self, puts: &[(Target, Option<bool>)], outcomes: &[Outcome], after: &mut State) {
        assert_eq!(puts.len(), outcomes.len());
        for (nth, ((target, existed), outcome)) in puts.iter().zip(outcomes).enumerate() {
            match outcome {
                Outcome::Put(entry) => {
                    assert!(existed.is_none());
                    let is_last = puts[nth + 1..].iter().all(|(later, _)| later != target);
                    if is_last {
                        self.take_entry(target, entry, after);
                    }
                }
                Outcome::Deleted(answer) => assert_eq!(Some(*answer), *existed),
                _ => panic!("{outcome:?} is neither"),
            }
        }
    }

    fn read(&mut self) {
        let target = self.target();
        let wanted = self.history.live().alive(&target, self.now_ms()).cloned();
        self.note(format!("read {target:?}"));
        let account = self.account(target.0);
        let found = account.get(&target.1).and_then(|blob| Ok((blob, account.head(&target.1)?)));
        let (blob, head) = match found {
            Ok(found) => found,
            Err(error) => return self.expect_disturbance(&error),
        };
        let Some(wanted) = wanted else {
            assert!(blob.is_none() && head.is_none(), "{target:?} is absent, and is read");
            return;
        };
        let (blob, head) = (blob.expect("it is there"), head.expect("it is there"));
        wanted.compare(&head).unwrap_or_else(|how| panic!("the head of {target:?}: {how}"));
        assert!(blob[..] == wanted.content.bytes[..], "the bytes of {target:?}");
        let (len, from) = (wanted.content.len(), self.random.below(wanted.content.len() + 1));
        let to = from + self.random.below(len - from + 1);
        match account.get_range(&target.1, from..to) {
            Ok(part) => assert_eq!(part.expect("it is there")[..], wanted.content.bytes[from as usize..to as usize]),
            Err(error) => return self.expect_disturbance(&error),
        }
        match account.reader(&target.1) {
            Ok(reader) => {
                let mut reader = reader.expect("it is there");
                reader.seek(SeekFrom::Start(from)).expect("a seek within");
                if self.random.sixteenths(3) {
                    self.hold_reader(reader, wanted.content.bytes[from as usize..].to_vec());
                }
            }
            Err(error) => return self.expect_disturbance(&error),
        }
        if self.random.sixteenths(3) {
            self.hold_blob(blob, &wanted.content);
        }
    }

    /// Walks a listing in small pages, and writes between them.
    fn walk(&mut self) {
        let account = self.target().0;
        let prefix = ["", "m1/", "a"][self.random.below(3) as usize];
        let options = ListOptions::new().prefix(prefix).limit(1 + self.random.below(5) as usize);
        let options = if self.random.sixteenths(4) { options.delimiter("/") } else { options };
        let with_delimiter = format!("{options:?}").contains("delimiter: Some");
        self.note(format!("walk {account} {prefix:?}"));
        let mut token = None;
        let (mut seen, mut rolled) = (Vec::new(), Vec::new());
        let mut throughout = self.history.live().listed(account, prefix, self.now_ms());
        let before = throughout.clone();
        loop {
            let page = match self.account(account).list(&options.clone().token(token)) {
                Ok(page) => page,
                Err(error) => return self.expect_disturbance(&error),
            };
            seen.extend(page.entries);
            rolled.extend(page.prefixes);
            self.history.sync();
            self.tally.count("pages listed");
            token = page.next_token;
            if token.is_none() {
                break;
            }
            if self.random.sixteenths(4) {
                self.put();
                if self.disk.is_off() {
                    return;
                }
            }
            let now = self.history.live().listed(account, prefix, self.now_ms());
            throughout.retain(|name, _| now.contains_key(name));
        }
        assert!(seen.is_sorted_by(|a, b| a.name < b.name), "a listing is in order, and holds nothing twice");
        assert!(rolled.is_sorted_by(|a, b| a < b), "common prefixes are in order, and none comes twice");
        for name in throughout.keys() {
            let cut = name[prefix.len()..].find('/').filter(|_| with_delimiter).map(|at| prefix.len() + at + 1);
            match cut {
                Some(cut) => assert!(rolled.iter().any(|rolled| *rolled == name[..cut]), "{name} is rolled up"),
                None => assert!(seen.iter().any(|entry| entry.name == *name), "{name} lives through the walk"),
            }
        }
        for entry in seen.iter().filter(|entry| !before.contains_key(&entry.name)) {
            assert!(self.history.live().names.contains_key(&(account, entry.name.clone())), "{entry:?} never was");
        }
    }

    fn sync(&mut self) {
        self.note("sync");
        match self.store().sync() {
            Ok(()) => self.history.sync(),
            Err(error) => self.expect_disturbance(&error),
        }
    }

    /// Has the index written anew, from its rows or from the log.
    fn write_index_anew(&mut self) {
        self.note("write the index anew");
        let of_rows = self.random.sixteenths(8);
        let store = self.store();
        let outcome = if of_rows { store.renew_index() } else { store.rebuild_index(&mut |_, _| ()).map(drop) };
        match outcome {
            Ok(()) => {
                self.history.sync();
                self.tally.count("indexes written anew");
            }
            Err(error) => self.expect_disturbance(&error),
        }
    }

    pub(crate) fn sweep(&mut self) {
        self.note("sweep");
        let (after, count) = self.history.live().sweep(self.now_ms());
        let answer = self.store().sweep();
        self.settle_steps(answer, after, |world, report| {
            assert_eq!(report.expired, count, "entries whose time had come");
            world.tally.count("sweeps");
            world.tally.add("entries expired", count);
            world.tally.add("segments freed", report.segments_freed);
            world.tally.add("blob files freed", report.files_freed);
        });
    }

    pub(crate) fn checkpoint(&mut self) {
        self.note("checkpoint");
        match self.store().checkpoint_catalog() {
            Ok(()) => self.history.sync(),
            Err(error) => self.expect_disturbance(&error),
        }
    }

    fn move_clock(&mut self) {
        let now_ms = self.now_ms();
        let to = match self.random.below(16) {
            0..=11 => now_ms + self.random.below(5000),
            12..=13 => now_ms + self.random.below(40_000),
            // To the very millisecond at which something ends.
            14 => {
                self.history.live().names.values().map(|item| item.expires_ms).find(|at| *at > now_ms).unwrap_or(now_ms)
            }
            _ => now_ms - self.random.below(10_000),
        };
        self.set_clock(to);
        self.note("the clock was set");
    }

    fn set_policy(&mut self) {
        let account = ACCOUNTS[self.random.below(3) as usize];
        let mut policy = Policy::default();
        let random = &mut self.random;
        policy.default_ttl = random.sixteenths(4).then(|| Duration::from_millis(1 + random.below(9000)));
        policy.longest_ttl = random.sixteenths(4).then(|| Duration::from_millis(9000 + random.below(9000)));
        policy.largest_blob = random.sixteenths(2).then(|| 4000 + random.below(20_000));
        policy.quota_bytes = random.sixteenths(2).then(|| 20_000 + random.below(40_000));
        policy.quota_count = random.sixteenths(2).then(|| 6 + random.below(9));
        self.note(format!("policy of {account}: {policy:?}"));
        let mut after = self.history.live().clone();
        after.policies.insert(account, policy);
        let answer = self.account(account).set_policy(&policy);
        self.settle(answer, Ok(after), true, |_, (), _| ());
    }

    fn purge(&mut self) {
        let account = ACCOUNTS[self.random.below(3) as usize];
        let prefix = ["", "m0/", "m1/", "m2/", "a"][self.random.below(5) as usize];
        self.note(format!("purge {account} {prefix:?}"));
        let (after, count) =
            self.history.live().purge(self.now_ms(), |(of, name), _| *of == account && name.starts_with(prefix));
        let answer = self.account(account).purge(prefix);
        self.settle_steps(answer, after, |_, purged| assert_eq!(purged, count));
    }

    fn purge_digest(&mut self) {
        let nth = self.random.below(self.contents.len() as u64) as usize;
        let digest = self.contents[nth].digest;
        self.note(format!("purge {digest}"));
        let (after, count) = self.history.live().purge(self.now_ms(), |_, item| item.content.digest == digest);
        let names = self.store().names_of(&digest);
        names.iter().for_each(|names| assert_eq!(names.len() as u64, count));
        let answer = names.and_then(|_| self.store().purge_digest(&digest));
        // Nothing to do: nothing was written, and nothing synced.
        if count == 0 && matches!(answer, Ok(0)) {
            return;
        }
        self.settle_steps(answer, after, |_, purged| assert_eq!(purged, count));
    }

    pub(crate) fn expect_disturbance(&mut self, error: &mediacask::Error) {
        self.note(format!("failed: {error}"));
        self.must_be_disturbed(error);
    }
}

fn pair(random: &mut Random) -> Option<(String, String)> {
    let key = ["from", "campaign"][random.below(2) as usize];
    random.sixteenths(4).then(|| (key.to_owned(), random.below(100).to_string()))
}

//! What the steps of a conformance script ask for, as the options of the Rust API.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mediacask::{
    Create, Dedup, DeleteOptions, Digest, Durability, Expiry, ListOptions, Policy, PrefixLimit, PutOptions, Store,
    StoreOptions, UpdateOptions, Upkeep, Verify, VerifyOptions,
};

use crate::script::{Failure, Step, bytes_of};

pub(crate) fn digest(step: &Step, field: &str) -> Result<Option<Digest>, Failure> {
    Ok(step.text(field).map(str::parse).transpose()?)
}

fn instant(step: &Step, field: &str) -> Option<SystemTime> {
    let ms = step.instant_ms(field)?;
    Some(UNIX_EPOCH + Duration::from_millis(ms.try_into().expect("after 1970")))
}

pub(crate) fn durability(step: &Step) -> Option<Durability> {
    step.text("durability").map(|word| match word {
        "sync" => Durability::Sync,
        "os" => Durability::Os,
        other => panic!("no durability {other:?}"),
    })
}

fn expiry(step: &Step) -> Option<Expiry> {
    let ttl = step.number("ttl_ms").map(|ms| Expiry::After(Duration::from_millis(ms)));
    let stated = step.text("expiry").map(|word| match word {
        "never" => Expiry::Never,
        "policy" => Expiry::Policy,
        other => panic!("no expiry {other:?}"),
    });
    ttl.or(instant(step, "expires_at").map(Expiry::At)).or(stated)
}

pub(crate) fn store_options(step: &Step) -> StoreOptions {
    let mut options = Store::options();
    if let Some(word) = step.text("create") {
        options = options.create(match word {
            "if_missing" => Create::IfMissing,
            "never" => Create::Never,
            other => panic!("no create {other:?}"),
        });
    }
    if let Some(word) = step.text("dedup") {
        options = options.dedup(match word {
            "account" => Dedup::Account,
            "store" => Dedup::Store,
            other => panic!("no dedup {other:?}"),
        });
    }
    if let Some(word) = step.text("upkeep") {
        options = options.upkeep(match word {
            "background" => Upkeep::Background,
            "by_hand" => Upkeep::ByHand,
            other => panic!("no upkeep {other:?}"),
        });
    }
    if let Some(word) = step.text("verify") {
        options = options.verify(match word {
            "always" => Verify::Always,
            "once" => Verify::Once,
            "never" => Verify::Never,
            other => panic!("no verify {other:?}"),
        });
    }
    if let Some(ms) = step.number("os_sync_interval_ms") {
        options = options.os_sync_interval(Duration::from_millis(ms));
    }
    if let Some(bytes) = step.number("index_cache_bytes") {
        options = options.index_cache_bytes(bytes);
    }
    if let Some(durability) = durability(step) {
        options = options.durability(durability);
    }
    if let Some(bytes) = step.number("file_threshold") {
        options = options.file_threshold(bytes);
    }
    if let Some(bytes) = step.number("segment_len") {
        options = options.segment_len(bytes);
    }
    if let Some(hundredths) = step.number("space_amplification") {
        options = options.space_amplification(f64::from(u32::try_from(hundredths).expect("hundredths")) / 100.0);
    }
    if let Some(ms) = step.number("events_keep_ms") {
        options = options.events_keep(Duration::from_millis(ms));
    }
    if let Some(ms) = step.number("erase_within_ms") {
        options = options.erase_within(Duration::from_millis(ms));
    }
    options
}

pub(crate) fn verify_options(step: &Step) -> VerifyOptions {
    let mut options = VerifyOptions::new().repair(step.is_set("repair"));
    if let Some(bytes) = step.number("bytes_per_sec") {
        options = options.bytes_per_sec(bytes);
    }
    if let Some(resume) = step.text("resume") {
        options = options.resume(resume);
    }
    options
}

pub(crate) fn put_options(step: &Step) -> Result<PutOptions, Failure> {
    let mut options = PutOptions::new().expiry(expiry(step).unwrap_or_default());
    for (key, value) in step.metadata() {
        options = options.metadata(key, value);
    }
    if let Some(text) = step.text("content_type") {
        options = options.content_type(text);
    }
    if let Some(text) = step.text("cache_control") {
        options = options.cache_control(text);
    }
    if let Some(text) = step.text("content_disposition") {
        options = options.content_disposition(text);
    }
    if step.is_set("if_absent") {
        options = options.if_absent();
    }
    if let Some(digest) = digest(step, "if_match")? {
        options = options.if_match(digest);
    }
    if let Some(generation) = step.number("if_generation") {
        options = options.if_generation(generation);
    }
    if let Some(digest) = digest(step, "expect_digest")? {
        options = options.expect_digest(digest);
    }
    if let Some(hex) = step.text("expect_md5") {
        options = options.expect_md5(bytes_of(hex).try_into().expect("16 bytes"));
    }
    if let Some(hex) = step.text("expect_sha256") {
        options = options.expect_sha256(bytes_of(hex).try_into().expect("32 bytes"));
    }
    if let Some(durability) = durability(step) {
        options = options.durability(durability);
    }
    let (prefix, count, bytes) = (step.text("limit_prefix"), step.number("limit_count"), step.number("limit_bytes"));
    if let Some(prefix) = prefix {
        options = options.prefix_limit(PrefixLimit::new(prefix, count.expect("a count"), bytes.expect("bytes")));
    }
    Ok(options)
}

pub(crate) fn update_options(step: &Step) -> Result<UpdateOptions, Failure> {
    let mut options = UpdateOptions::new();
    if step.has("content_type") {
        options = options.content_type(step.text("content_type").map(String::from));
    }
    if step.has("cache_control") {
        options = options.cache_control(step.text("cache_control").map(String::from));
    }
    if step.has("content_disposition") {
        options = options.content_disposition(step.text("content_disposition").map(String::from));
    }
    for (key, value) in step.pairs("set_metadata") {
        options = options.set_metadata(key, value);
    }
    for key in step.list("unset_metadata") {
        options = options.unset_metadata(key);
    }
    if let Some(expiry) = expiry(step) {
        options = options.expiry(expiry);
    }
    if let Some(digest) = digest(step, "if_match")? {
        options = options.if_match(digest);
    }
    if let Some(generation) = step.number("if_generation") {
        options = options.if_generation(generation);
    }
    Ok(durability(step).map_or(options.clone(), |durability| options.durability(durability)))
}

pub(crate) fn delete_options(step: &Step) -> Result<DeleteOptions, Failure> {
    let mut options = DeleteOptions::new();
    if let Some(digest) = digest(step, "if_match")? {
        options = options.if_match(digest);
    }
    if let Some(generation) = step.number("if_generation") {
        options = options.if_generation(generation);
    }
    Ok(durability(step).map_or(options, |durability| options.durability(durability)))
}

pub(crate) fn list_options(step: &Step) -> ListOptions {
    let mut options = ListOptions::new().prefix(step.text("prefix").unwrap_or_default()).token(step.token());
    if let Some(delimiter) = step.text("delimiter") {
        options = options.delimiter(delimiter);
    }
    if let Some(from) = instant(step, "created_from") {
        options = options.created_from(from);
    }
    if let Some(to) = instant(step, "created_to") {
        options = options.created_to(to);
    }
    if let Some(limit) = step.number("limit") {
        options = options.limit(limit as usize);
    }
    options
}

pub(crate) fn policy(step: &Step) -> Policy {
    Policy {
        default_ttl: step.number("default_ttl_ms").map(Duration::from_millis),
        longest_ttl: step.number("longest_ttl_ms").map(Duration::from_millis),
        largest_blob: step.number("largest_blob"),
        quota_bytes: step.number("quota_bytes"),
        quota_count: step.number("quota_count"),
    }
}

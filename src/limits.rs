//! Every limit of the store, with its unit and its reason. The only place.

/// Longest account, in bytes of UTF-8: it is part of every record and of every index key.
pub const ACCOUNT_LEN_MAX: usize = 255;

/// Longest name, in bytes of UTF-8: what object stores allow, and an index key stays small.
pub const NAME_LEN_MAX: usize = 1024;

/// Largest blob, in bytes: the largest single upload object stores take (5 GiB).
pub const BLOB_LEN_MAX: u64 = 5 << 30;

/// Most bytes of content type, cache control, content disposition and metadata of an entry together,
/// four bytes a pair included: they are read with every head and stand in one record.
pub const METADATA_LEN_MAX: usize = 8 << 10;

/// Most operations in one batch: a batch is one record, checked as a whole.
pub const BATCH_OPERATIONS_MAX: usize = 1_000;

/// Most bytes of names and metadata in one batch: one record, one checksum, one write.
pub const BATCH_RECORD_LEN_MAX: usize = 1 << 20;

/// Most entries and prefixes on a page of a listing, and the default.
pub const PAGE_ENTRIES_MAX: usize = 1_000;

/// Most names a prefix limit can count: the names under the prefix are held in memory.
pub const PREFIX_LIMIT_COUNT_MAX: u64 = 1_000;

/// Longest time to live, in milliseconds: a hundred years; beyond it, keep the entry without one.
pub const TTL_MS_MAX: u64 = 100 * 366 * 24 * 3_600 * 1_000;

/// Longest time of a signed grant, in milliseconds: a week, as object stores have it; nothing takes one back.
pub const GRANT_TTL_MS_MAX: u64 = 7 * 24 * 3_600 * 1_000;

/// Longest id of a signing key, in bytes: it stands in every signed URL.
pub const SIGNING_KEY_ID_LEN_MAX: usize = 32;

/// Most keys of a signer: one that signs, and those of the grants that are not over.
pub const SIGNING_KEYS_MAX: usize = 16;

/// Shortest time within which what was deleted can be erased, in milliseconds: each time the index and all segments
/// that hold any of it are written anew.
pub const ERASE_WITHIN_MS_MIN: u64 = 60_000;

/// Smallest segment, in bytes: a page of header, and room for records and a footer.
pub const SEGMENT_LEN_MIN: u64 = 64 << 10;

/// Largest segment, in bytes: offsets in a segment take 32 bits in memory.
pub const SEGMENT_LEN_MAX: u64 = 1 << 30;

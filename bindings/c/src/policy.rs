//! Policies: what holds for all puts of an account.

use std::time::Duration;

use cask::Policy;

use crate::account::mcask_account;
use crate::error::{Failure, mcask_error};
use crate::guard::call;
use crate::handle::shared;
use crate::text::{self, Struct};

/// What is not limited.
pub const MCASK_NO_LIMIT: u64 = u64::MAX;

/// What holds for all puts of an account. Begin with MCASK_POLICY_INIT, which sets every field to MCASK_NO_LIMIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct mcask_policy {
    /// Set by the _INIT macro.
    pub struct_size: usize,
    /// How long an entry lives that was put without saying so, in milliseconds.
    pub default_ttl_ms: u64,
    /// The longest time to live a put may ask for, in milliseconds.
    pub longest_ttl_ms: u64,
    /// The largest blob, in bytes.
    pub largest_blob: u64,
    /// Most bytes of content of all names together; shared content counts for each of its names.
    pub quota_bytes: u64,
    /// Most names.
    pub quota_count: u64,
}

impl Struct for mcask_policy {}

impl Default for mcask_policy {
    fn default() -> mcask_policy {
        mcask_policy {
            struct_size: size_of::<mcask_policy>(),
            default_ttl_ms: MCASK_NO_LIMIT,
            longest_ttl_ms: MCASK_NO_LIMIT,
            largest_blob: MCASK_NO_LIMIT,
            quota_bytes: MCASK_NO_LIMIT,
            quota_count: MCASK_NO_LIMIT,
        }
    }
}

impl mcask_policy {
    fn to_core(self) -> Policy {
        let limit = |given: u64| (given != MCASK_NO_LIMIT).then_some(given);
        Policy {
            default_ttl: limit(self.default_ttl_ms).map(Duration::from_millis),
            longest_ttl: limit(self.longest_ttl_ms).map(Duration::from_millis),
            largest_blob: limit(self.largest_blob),
            quota_bytes: limit(self.quota_bytes),
            quota_count: limit(self.quota_count),
        }
    }
}

impl From<Policy> for mcask_policy {
    fn from(policy: Policy) -> mcask_policy {
        let ms = |ttl: Option<Duration>| {
            ttl.map_or(MCASK_NO_LIMIT, |ttl| u64::try_from(ttl.as_millis()).unwrap_or(MCASK_NO_LIMIT))
        };
        mcask_policy {
            struct_size: size_of::<mcask_policy>(),
            default_ttl_ms: ms(policy.default_ttl),
            longest_ttl_ms: ms(policy.longest_ttl),
            largest_blob: policy.largest_blob.unwrap_or(MCASK_NO_LIMIT),
            quota_bytes: policy.quota_bytes.unwrap_or(MCASK_NO_LIMIT),
            quota_count: policy.quota_count.unwrap_or(MCASK_NO_LIMIT),
        }
    }
}

/// The account's policy; without one, every field is MCASK_NO_LIMIT. Begin with MCASK_POLICY_INIT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_account_policy(
    account: *const mcask_account,
    policy: *mut mcask_policy,
    error: *mut *mut mcask_error,
) -> i32 {
    // SAFETY: convention 2.
    unsafe { call(error, || text::fill("policy", policy, || Ok(shared(account)?.policy()?.into()))) }
}

/// Sets the account's policy; durable when it returns. What is stored already stays.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mcask_account_set_policy(
    account: *const mcask_account,
    policy: *const mcask_policy,
    error: *mut *mut mcask_error,
) -> i32 {
    // SAFETY: convention 2.
    unsafe {
        call(error, || {
            if policy.is_null() {
                return Err(Failure::misuse("NULL was given for the policy"));
            }
            Ok(shared(account)?.set_policy(&text::options(policy)?.to_core())?)
        })
    }
}

//! Who asks, and what a token reaches.
//!
//! An account of this API is the account of the store that has the same name, so that the command line, the libraries
//! and this API mean the same by it. The accounts of the other APIs (`bandwidth:5500001`) are theirs: a token reaches
//! one of them only where the configuration names it in full, or where it is an administrator's.

use http::StatusCode;
use http::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use mediacask::{Account, ErrorKind};

use crate::auth::{Given, given};
use crate::config::{Access, Config, NativeToken};
use crate::gateway::Gateway;
use crate::path;
use crate::refusal::{Answer, Refusal};

/// What the names of the other APIs' accounts begin with.
const PROVIDERS: [&str; 3] = ["bandwidth:", "twilio:", "messagebird:"];

/// The one whose token a request bears.
pub(super) struct Caller<'a>(&'a NativeToken);

/// Finds the token that the headers bear.
pub(super) fn admit<'a>(config: &'a Config, headers: &HeaderMap) -> Answer<Caller<'a>> {
    let known = match given(headers) {
        Given::Bearer(token) => config.native.iter().find(|known| known.token.is(&token)),
        _ => None,
    };
    known.map(Caller).ok_or_else(|| {
        let value = HeaderValue::from_static("Bearer realm=\"mediacask\"");
        Refusal::new(StatusCode::UNAUTHORIZED, "the bearer token is missing or wrong").with(WWW_AUTHENTICATE, value)
    })
}

impl Caller<'_> {
    /// The account of a path, when this token may read it, or change it.
    pub(super) fn account(&self, gateway: &Gateway, raw: &str, access: Access) -> Answer<Account> {
        self.named(gateway, &text(raw)?, access)
    }

    /// The account of this name, when this token may read it, or change it.
    pub(super) fn named(&self, gateway: &Gateway, name: &str, access: Access) -> Answer<Account> {
        if !self.reaches(name) {
            return Err(forbidden("this token is not for that account"));
        }
        if self.0.access < access {
            return Err(forbidden("this token may only read"));
        }
        Ok(gateway.store.account(name)?)
    }

    /// Goes on only for an administrator: what concerns the store as a whole.
    pub(super) fn administrates(&self) -> Answer<()> {
        if self.0.access == Access::Admin { Ok(()) } else { Err(forbidden("this needs the token of an administrator")) }
    }

    /// Whether the account is this token's.
    pub(super) fn reaches(&self, account: &str) -> bool {
        match &self.0.accounts {
            _ if self.0.access == Access::Admin => true,
            Some(accounts) => accounts.iter().any(|known| known == account),
            None => !PROVIDERS.iter().any(|provider| account.starts_with(provider)),
        }
    }
}

fn forbidden(message: &str) -> Refusal {
    Refusal::new(StatusCode::FORBIDDEN, message)
}

/// The text of a raw part of a path; one that is none is no name.
pub(super) fn text(raw: &str) -> Answer<String> {
    path::decoded(raw).map_err(|refusal| Refusal { kind: Some(ErrorKind::InvalidName), ..refusal })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn token(accounts: Option<&[&str]>, access: Access) -> NativeToken {
        let accounts = accounts.map(|all| all.iter().map(|&name| name.to_owned()).collect());
        NativeToken { token: Secret::new("t"), accounts, access }
    }

    #[test]
    fn the_accounts_of_other_apis_are_reached_by_their_full_names_alone() {
        let all = token(None, Access::Write);
        assert!(Caller(&all).reaches("5500001") && Caller(&all).reaches("a:b"));
        assert!(!Caller(&all).reaches("bandwidth:5500001") && !Caller(&all).reaches("twilio:AC1"));
        let one = token(Some(&["bandwidth:5500001"]), Access::Read);
        assert!(Caller(&one).reaches("bandwidth:5500001"));
        assert!(!Caller(&one).reaches("5500001") && !Caller(&one).reaches("bandwidth:5500002"));
        let admin = token(None, Access::Admin);
        assert!(Caller(&admin).reaches("messagebird:m") && Caller(&admin).administrates().is_ok());
        assert!(Caller(&all).administrates().is_err() && Caller(&one).administrates().is_err());
    }
}

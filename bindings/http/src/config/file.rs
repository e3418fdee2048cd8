//! The configuration as it stands in its file: TOML, every table and field named, mistakes told with their line.

use std::collections::BTreeSet;
use std::ops::{Range, RangeInclusive};
use std::path::Path;

use serde::Deserialize;
use toml::Spanned;

use super::fetch::FetchTable;
use super::limits::{LimitsTable, Number};
use super::signing::SigningTable;
use super::{
    Access, BandwidthUser, Config, ConfigError, Content, Listen, Log, MessageBirdKey, NativeToken, Overrides, Tls,
    TwilioAccount,
};
use crate::secret::Secret;

/// Where it listens when nothing says so.
const LISTEN: &str = "127.0.0.1:8080";

/// Longest account of a provider: with the provider's name before it, it is an account of the store.
const ACCOUNT_LEN_MAX: usize = 200;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    listen: Option<Spanned<String>>,
    public_base: Option<Spanned<String>>,
    #[serde(default)]
    bandwidth: Bandwidth,
    #[serde(default)]
    twilio: Twilio,
    #[serde(default)]
    messagebird: MessageBird,
    #[serde(default)]
    native: Native,
    #[serde(default)]
    signing: SigningTable,
    #[serde(default)]
    limits: LimitsTable,
    #[serde(default)]
    content: ContentTable,
    tls: Option<Spanned<TlsTable>>,
    #[serde(default)]
    log: LogTable,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bandwidth {
    #[serde(default)]
    users: Vec<Spanned<UserTable>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserTable {
    username: String,
    password: Option<Secret>,
    password_file: Option<String>,
    account: String,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Twilio {
    #[serde(default)]
    accounts: Vec<Spanned<AccountTable>>,
    #[serde(default)]
    fetch: FetchTable,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AccountTable {
    sid: String,
    auth_token: Option<Secret>,
    auth_token_file: Option<String>,
    #[serde(default)]
    protect_media: bool,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct MessageBird {
    #[serde(default)]
    keys: Vec<Spanned<KeyTable>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyTable {
    key: Option<Secret>,
    key_file: Option<String>,
    account: String,
    #[serde(default)]
    restricted: bool,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Native {
    #[serde(default)]
    tokens: Vec<Spanned<TokenTable>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenTable {
    token: Option<Secret>,
    token_file: Option<String>,
    accounts: Option<Vec<String>>,
    #[serde(default)]
    access: Access,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ContentTable {
    #[serde(default)]
    active_inline: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TlsTable {
    certificate: String,
    key: String,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct LogTable {
    #[serde(default)]
    requests: LogFormat,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum LogFormat {
    #[default]
    Text,
    Json,
    Off,
}

/// The text under way to a [`Config`]: who complains knows file and line.
pub(super) struct Reading<'a> {
    text: &'a str,
    path: &'a Path,
}

impl Reading<'_> {
    pub(super) fn wrong(&self, span: Option<Range<usize>>, message: impl Into<String>) -> ConfigError {
        let line = span.map(|span| self.text[..span.start.min(self.text.len())].matches('\n').count() + 1);
        ConfigError { file: self.path.to_owned(), line, message: message.into() }
    }

    /// A path in the file, read from beside it.
    pub(super) fn beside(&self, path: &str) -> std::path::PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(path)
    }

    /// A number, or what stands in its place; `within` is what makes sense.
    pub(super) fn number(
        &self,
        field: &str,
        given: Number,
        within: RangeInclusive<u64>,
        default: u64,
    ) -> Result<u64, ConfigError> {
        match given {
            Some(given) if !within.contains(given.get_ref()) => {
                let (least, most, found) = (within.start(), within.end(), given.get_ref());
                Err(self.wrong(Some(given.span()), format!("`{field}` is {least} to {most}, not {found}")))
            }
            given => Ok(given.map_or(default, Spanned::into_inner)),
        }
    }

    /// A secret that stands in the file itself, or in one of its own whose last line break does not count.
    pub(super) fn secret(
        &self,
        span: &Range<usize>,
        field: &str,
        here: Option<Secret>,
        file: Option<&str>,
    ) -> Result<Secret, ConfigError> {
        let secret = match (here, file) {
            (Some(here), None) => here,
            (None, Some(file)) => {
                let path = self.beside(file);
                let text = std::fs::read_to_string(&path).map_err(|error| {
                    self.wrong(Some(span.clone()), format!("{field}_file {} cannot be read: {error}", path.display()))
                })?;
                Secret::new(text.trim_end_matches(['\r', '\n']))
            }
            _ => return Err(self.wrong(Some(span.clone()), format!("give either `{field}` or `{field}_file`"))),
        };
        if secret.is_empty() {
            return Err(self.wrong(Some(span.clone()), format!("`{field}` is empty: anybody could give it")));
        }
        Ok(secret)
    }

    fn account(&self, span: &Range<usize>, account: &str) -> Result<(), ConfigError> {
        if account.is_empty() || account.len() > ACCOUNT_LEN_MAX || account.contains(['\0', '/']) {
            let message = format!("an account is 1 to {ACCOUNT_LEN_MAX} bytes without NUL and slashes");
            return Err(self.wrong(Some(span.clone()), message));
        }
        Ok(())
    }

    fn listen(&self, listen: &str, span: Option<Range<usize>>) -> Result<Listen, ConfigError> {
        if let Some(path) = listen.strip_prefix("unix:") {
            return Ok(Listen::Unix(path.into()));
        }
        let message = || {
            self.wrong(span, format!("`listen` is an address and a port, like {LISTEN}, or unix:PATH; not {listen:?}"))
        };
        listen.parse().map(Listen::Tcp).map_err(|_| message())
    }

    fn public_base(&self, base: &str, span: Option<Range<usize>>) -> Result<String, ConfigError> {
        let base = base.trim_end_matches('/');
        let host = base.strip_prefix("http://").or_else(|| base.strip_prefix("https://"));
        if host.is_none_or(str::is_empty) || base.parse::<http::Uri>().is_err() || base.contains(['?', '#', '@']) {
            let message = format!("`public_base` is the begin of a URL, like https://media.example.com; not {base:?}");
            return Err(self.wrong(span, message));
        }
        Ok(base.to_owned())
    }

    fn bandwidth(&self, users: Vec<Spanned<UserTable>>) -> Result<Vec<BandwidthUser>, ConfigError> {
        let mut names = BTreeSet::new();
        let users = users.into_iter().map(|user| {
            let (span, user) = (user.span(), user.into_inner());
            let password = self.secret(&span, "password", user.password, user.password_file.as_deref())?;
            self.account(&span, &user.account)?;
            if user.username.contains(':') || !names.insert(user.username.clone()) {
                let message = format!("the user name {:?} stands twice, or holds a colon", user.username);
                return Err(self.wrong(Some(span), message));
            }
            Ok(BandwidthUser { username: user.username, password, account: user.account })
        });
        users.collect()
    }

    fn twilio(&self, accounts: Vec<Spanned<AccountTable>>) -> Result<Vec<TwilioAccount>, ConfigError> {
        let mut sids = BTreeSet::new();
        let accounts = accounts.into_iter().map(|account| {
            let (span, account) = (account.span(), account.into_inner());
            let digits = account.sid.strip_prefix("AC").unwrap_or_default();
            if digits.len() != 32 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
                let message = format!("a Twilio account SID is AC and 32 hexadecimal digits; not {:?}", account.sid);
                return Err(self.wrong(Some(span), message));
            }
            if !sids.insert(account.sid.clone()) {
                return Err(self.wrong(Some(span), format!("the account {} stands twice", account.sid)));
            }
            let auth_token =
                self.secret(&span, "auth_token", account.auth_token, account.auth_token_file.as_deref())?;
            Ok(TwilioAccount { sid: account.sid, auth_token, protect_media: account.protect_media })
        });
        accounts.collect()
    }

    fn messagebird(&self, tables: Vec<Spanned<KeyTable>>) -> Result<Vec<MessageBirdKey>, ConfigError> {
        let mut keys: Vec<MessageBirdKey> = Vec::new();
        for table in tables {
            let (span, table) = (table.span(), table.into_inner());
            let key = self.secret(&span, "key", table.key, table.key_file.as_deref())?;
            self.account(&span, &table.account)?;
            if keys.iter().any(|known| known.key.equals(&key)) {
                return Err(self.wrong(Some(span), "this key stands above already: a key belongs to one account"));
            }
            keys.push(MessageBirdKey { key, account: table.account, restricted: table.restricted });
        }
        Ok(keys)
    }

    /// Certificate and key must be there and fit when the file is read.
    fn tls(&self, table: &Spanned<TlsTable>) -> Result<Tls, ConfigError> {
        let TlsTable { certificate, key } = table.get_ref();
        let tls = Tls { certificate: self.beside(certificate), key: self.beside(key) };
        crate::tls::check(&tls).map_err(|message| self.wrong(Some(table.span()), message))?;
        Ok(tls)
    }

    fn native(&self, tokens: Vec<Spanned<TokenTable>>) -> Result<Vec<NativeToken>, ConfigError> {
        let tokens = tokens.into_iter().map(|token| {
            let (span, token) = (token.span(), token.into_inner());
            let secret = self.secret(&span, "token", token.token, token.token_file.as_deref())?;
            if let Some(accounts) = &token.accounts {
                // Names of the store's own: any text that it takes.
                let wrong = |account: &String| {
                    account.is_empty() || account.len() > mediacask::limits::ACCOUNT_LEN_MAX || account.contains('\0')
                };
                if accounts.iter().any(wrong) {
                    return Err(self.wrong(Some(span), "an account of the store is 1 to 255 bytes without NUL"));
                }
                if accounts.is_empty() || token.access == Access::Admin {
                    let message = "`accounts` names one at least; an administrator's token has all, and names none";
                    return Err(self.wrong(Some(span), message));
                }
            }
            Ok(NativeToken { token: secret, accounts: token.accounts, access: token.access })
        });
        tokens.collect()
    }
}

pub(super) fn parse(text: &str, path: &Path, overrides: &Overrides) -> Result<Config, ConfigError> {
    let reading = Reading { text, path };
    let file: File = toml::from_str(text).map_err(|error| reading.wrong(error.span(), error.message()))?;
    let listen = match (&overrides.listen, &file.listen) {
        (Some(given), _) => reading.listen(given, None)?,
        (None, Some(given)) => reading.listen(given.get_ref(), Some(given.span()))?,
        (None, None) => reading.listen(LISTEN, None)?,
    };
    let public_base = match (&overrides.public_base, &file.public_base) {
        (Some(given), _) => Some(reading.public_base(given, None)?),
        (None, Some(given)) => Some(reading.public_base(given.get_ref(), Some(given.span()))?),
        (None, None) => None,
    };
    Ok(Config {
        listen,
        public_base,
        bandwidth: reading.bandwidth(file.bandwidth.users)?,
        twilio: reading.twilio(file.twilio.accounts)?,
        fetch: file.twilio.fetch.read(&reading)?,
        messagebird: reading.messagebird(file.messagebird.keys)?,
        native: reading.native(file.native.tokens)?,
        signer: file.signing.read(&reading)?,
        limits: file.limits.read(&reading)?,
        content: Content { active_inline: file.content.active_inline },
        tls: file.tls.map(|tls| reading.tls(&tls)).transpose()?,
        log: match file.log.requests {
            LogFormat::Text => Log::Text,
            LogFormat::Json => Log::Json,
            LogFormat::Off => Log::Off,
        },
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn parsed(text: &str) -> Result<Config, String> {
        parse(text, Path::new("gateway.toml"), &Overrides::default()).map_err(|error| error.to_string())
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        for (text, message) in [
            ("\nlisten = \"localhost\"\n", "gateway.toml:2: `listen` is"),
            ("a = \n", "gateway.toml:1: "),
            ("[limits]\nheader_bytes = 5\n", "gateway.toml:2: `header_bytes` is 8192 to 16777216, not 5"),
            ("[[bandwidth.users]]\nusername = \"u\"\naccount = \"1\"\n", "gateway.toml:1: give either `password`"),
            (
                "\n\n[[twilio.accounts]]\nsid = \"AC1\"\nauth_token = \"t\"\n",
                "gateway.toml:3: a Twilio account SID is AC and 32",
            ),
            ("public_base = \"media.example.com\"", "gateway.toml:1: `public_base` is the begin of a URL"),
            (
                "[[messagebird.keys]]\nkey_file = \"absent\"\naccount = \"m\"\n",
                "gateway.toml:1: key_file absent cannot be read",
            ),
            ("[[messagebird.keys]]\nkey = 12345\naccount = \"m\"\n", "gateway.toml:2: a secret is a text in quotes"),
            ("[[messagebird.keys]]\nkey = \"\"\naccount = \"m\"\n", "gateway.toml:1: `key` is empty"),
            (
                "\n[[native.tokens]]\ntoken = \"t\"\naccounts = [\"a\"]\naccess = \"admin\"\n",
                "gateway.toml:2: `accounts` names one at least",
            ),
            (
                "\n[[signing.keys]]\nid = \"a\"\nsecret = \"abc\"\n",
                "gateway.toml:2: `secret` is 32 random bytes in 64 hexadecimal digits",
            ),
            ("[[native.tokens]]\ntoken = \"t\"\naccess = \"all\"\n", "gateway.toml:3: unknown variant `all`"),
            (
                "[[messagebird.keys]]\nkey = \"k\"\naccount = \"m\"\n[[messagebird.keys]]\nkey = \"k\"\naccount = \"n\"\n",
                "gateway.toml:4: this key stands above already",
            ),
            (
                "[twilio.fetch]\nhosts = [\n\"a.example\",\n\"https://b.example\"]\n",
                "gateway.toml:4: a host is a name or an address",
            ),
            ("[twilio.fetch]\nsecs = 0\n", "gateway.toml:2: `secs` is 1 to 31622400, not 0"),
        ] {
            let found = parsed(text).unwrap_err();
            assert!(found.starts_with(message), "{found:?} is not {message:?}");
        }
    }

    #[test]
    fn what_every_request_would_be_refused_for_is_refused_at_once() {
        for (field, least, most) in [
            ("bandwidth_bytes", 0, 5 << 30),
            ("bandwidth_ttl_secs", 1, 100 * 366 * 24 * 3600),
            ("twilio_media", 0, 1000),
            ("twilio_bytes", 0, 5 << 30),
            ("twilio_link_secs", 1, 7 * 24 * 3600),
            ("messagebird_bytes", 0, 5 << 30),
            ("native_bytes", 0, 5 << 30),
            ("header_bytes", 8192, 16 << 20),
            ("connections", 1, 1 << 20),
            ("header_secs", 1, 366 * 24 * 3600),
            ("stall_secs", 1, 366 * 24 * 3600),
            ("body_secs", 1, 366 * 24 * 3600),
            ("shutdown_secs", 0, 366 * 24 * 3600),
        ] {
            let with = |number: i64| parsed(&format!("\n[limits]\n{field} = {number}\n"));
            for sound in [least, most] {
                assert!(with(sound).is_ok(), "{field} = {sound}: {:?}", with(sound).err());
            }
            for wrong in [most + 1, i64::MAX] {
                let message = format!("gateway.toml:3: `{field}` is {least} to {most}, not {wrong}");
                assert_eq!(with(wrong).unwrap_err(), message);
            }
            let found = with(least - 1).unwrap_err();
            assert!(found.starts_with("gateway.toml:3: "), "{found}");
        }
    }

    #[test]
    fn a_certificate_that_cannot_be_used_is_told_with_the_line_that_names_it() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("empty.pem"), "nothing\n").unwrap();
        let parsed = |text: &str| parse(text, &dir.path().join("gateway.toml"), &Overrides::default()).unwrap_err();
        let tls = parsed("\n[tls]\ncertificate = \"absent.pem\"\nkey = \"absent.pem\"\n").to_string();
        let roots = parsed("[twilio.fetch]\nroots = \"empty.pem\"\n").to_string();
        let (tls_says, roots_say) = if cfg!(feature = "tls") {
            ("absent.pem is no PEM file that can be used", "empty.pem is no PEM file that can be used")
        } else {
            (
                "this build has no TLS: build it with the feature `tls`, or take the table [tls] away",
                "this build has no TLS",
            )
        };
        assert!(tls.contains("gateway.toml:2: ") && tls.contains(tls_says), "{tls}");
        assert!(roots.contains("gateway.toml:2: ") && roots.contains(roots_say), "{roots}");
    }

    #[test]
    fn what_is_left_out_is_as_the_providers_have_it() {
        let config = parsed("").unwrap();
        assert_eq!(config.listen.to_string(), LISTEN);
        assert_eq!(config.limits.bandwidth_bytes, 3_932_160);
        assert_eq!(config.limits.bandwidth_ttl, Duration::from_hours(48));
        assert_eq!((config.limits.twilio_media, config.limits.twilio_bytes), (10, 5_242_880));
        assert_eq!(config.limits.messagebird_bytes, 104_857_600);
        assert!(config.bandwidth.is_empty() && config.tls.is_none() && !config.fetch.private_addresses);
    }

    #[test]
    fn the_command_line_comes_before_the_file() {
        let overrides =
            Overrides { listen: Some("unix:/run/m".into()), public_base: Some("https://m.example/".into()) };
        let text = "listen = \"127.0.0.1:1\"\npublic_base = \"http://h\"\n";
        let config = parse(text, Path::new("g"), &overrides).unwrap();
        assert_eq!(config.listen, Listen::Unix("/run/m".into()));
        assert_eq!(config.public_base.as_deref(), Some("https://m.example"));
    }

    #[test]
    fn no_secret_can_be_printed() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("secret"), "hidden1\n").unwrap();
        let text = "[[bandwidth.users]]\nusername = \"u\"\npassword_file = \"secret\"\naccount = \"1\"\n\
                    [[messagebird.keys]]\nkey = \"hidden2\"\naccount = \"m\"\n";
        let config = parse(text, &dir.path().join("gateway.toml"), &Overrides::default()).unwrap();
        assert!(config.bandwidth[0].password.is("hidden1"));
        let shown = format!("{config:?}");
        assert!(shown.contains("Secret(..)") && !shown.contains("hidden"), "{shown}");
    }
}

//! The table `[twilio.fetch]`: where media may be fetched from, and whose certificates are trusted there.

use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;
use url::Url;

use super::file::Reading;
use super::limits::{Number, PATIENCE_SECS_MAX};
use super::{ConfigError, Fetch};
use crate::tls::Trust;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FetchTable {
    hosts: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    private_addresses: bool,
    roots: Option<Spanned<String>>,
    secs: Number,
}

impl FetchTable {
    pub(super) fn read(self, reading: &Reading<'_>) -> Result<Fetch, ConfigError> {
        let checked = |host: Spanned<String>| {
            if is_host(host.get_ref()) {
                return Ok(host.into_inner());
            }
            let what = "a host is a name or an address, with a port or without, like media.example.com:8443";
            Err(reading.wrong(Some(host.span()), format!("{what}; not {:?}", host.get_ref())))
        };
        let hosts = self.hosts.map(|hosts| hosts.into_iter().map(checked).collect::<Result<Vec<_>, _>>());
        let trust = self.roots.map_or(Ok(Trust::default()), |roots| {
            let trust = Trust::adding(&reading.beside(roots.get_ref()));
            trust.map_err(|message| reading.wrong(Some(roots.span()), message))
        });
        let secs = reading.number("secs", self.secs, 1..=PATIENCE_SECS_MAX, 30)?;
        Ok(Fetch {
            hosts: hosts.transpose()?,
            private_addresses: self.private_addresses,
            trust: trust?,
            time: Duration::from_secs(secs),
        })
    }
}

/// Whether a URL can have this host, as it stands: else nothing would ever be fetched from it. A star stands for
/// nothing else, and no host is called so.
fn is_host(text: &str) -> bool {
    if text.contains('*') {
        return false;
    }
    let Ok(url) = Url::parse(&format!("http://{text}/")) else { return false };
    let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else { return false };
    text.eq_ignore_ascii_case(host) || text.eq_ignore_ascii_case(&format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_url_has_as_its_host_is_none() {
        for host in ["media.example.com", "Media.Example.com:8443", "10.0.0.1", "10.0.0.1:80", "[2001:db8::1]:81"] {
            assert!(is_host(host), "{host}");
        }
        for text in [
            "",
            "https://media.example.com",
            "media.example.com/path",
            "user@media.example.com",
            "media.example.com:",
            "media.example.com:http",
            "*.example.com",
            "medien.exämple",
            "a b",
            "0x7f.1",
            "2001:db8::1",
            "media.example.com?",
        ] {
            assert!(!is_host(text), "{text}");
        }
    }
}

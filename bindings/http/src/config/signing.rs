//! The keys of signed links, as they stand in the file: `[[signing.keys]]`, the one that signs before those that are
//! still accepted.

use data_encoding::HEXLOWER_PERMISSIVE;
use mediacask::Signer;
use serde::Deserialize;
use toml::Spanned;

use super::ConfigError;
use super::file::Reading;
use crate::secret::Secret;

/// The id that grants of the store's own key bear.
const OWN: &str = "store";

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SigningTable {
    #[serde(default)]
    keys: Vec<Spanned<KeyTable>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyTable {
    id: String,
    secret: Option<Secret>,
    secret_file: Option<String>,
}

impl SigningTable {
    /// One that signs with the first key and accepts all of them; `None` where there is none.
    pub(super) fn read(self, reading: &Reading<'_>) -> Result<Option<Signer>, ConfigError> {
        let mut signer: Option<Signer> = None;
        for key in self.keys {
            let (span, key) = (key.span(), key.into_inner());
            let wrong = |message: String| reading.wrong(Some(span.clone()), message);
            let secret = reading.secret(&span, "secret", key.secret, key.secret_file.as_deref())?;
            let secret = secret.digits().ok_or_else(|| {
                wrong("`secret` is 32 random bytes in 64 hexadecimal digits, as `openssl rand -hex 32` gives".into())
            })?;
            if key.id == OWN {
                return Err(wrong(format!("the id {OWN:?} is that of the store's own key; take another")));
            }
            let made = match signer.take() {
                None => Signer::new(&key.id, secret),
                Some(signer) => signer.accept(&key.id, secret),
            };
            signer = Some(made.map_err(|error| wrong(error.to_string()))?);
        }
        Ok(signer)
    }
}

impl Secret {
    /// The 32 bytes whose hexadecimal digits this is.
    fn digits(&self) -> Option<[u8; 32]> {
        HEXLOWER_PERMISSIVE.decode(self.bytes()).ok()?.try_into().ok()
    }
}

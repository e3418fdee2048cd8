//! Signed grants: texts that let whoever shows one read one name for a while.

use std::borrow::Cow;

use mediacask::{Grant, Method};
use pyo3::prelude::*;
use pyo3::types::{PyDateTime, PyDict};

use crate::call::call;
use crate::clock::ManualClock;
use crate::{errors, options, times};

/// Signs grants, and verifies them: texts that let whoever shows one read one name for a while.
///
/// A grant is what makes a URL a signed one, whatever the URL looks like. It needs no store: processes that share a
/// key sign and verify each other's grants. ``Store.signer()`` gives one with the store's own key.
///
/// keys
///     A mapping of ids, 1 to 32 visible characters of ASCII, to secrets of 32 random bytes. The first one signs, all
///     of them are accepted. To change keys, let every process accept the new one; then put it first; when the
///     longest grant is over, drop the old one.
/// clock
///     A `ManualClock` for tests of what happens in time.
///
/// >>> signer = mediacask.Signer({"2026-11": new_secret, "2026-10": old_secret})
#[pyclass(frozen, module = "mediacask")]
pub(crate) struct Signer(mediacask::Signer);

impl Signer {
    pub(crate) fn of(core: mediacask::Signer) -> Signer {
        Signer(core)
    }
}

#[pymethods]
impl Signer {
    #[new]
    #[pyo3(signature = (keys, *, clock=None))]
    fn new(py: Python<'_>, keys: &Bound<'_, PyAny>, clock: Option<&Bound<'_, ManualClock>>) -> PyResult<Signer> {
        let pairs = PyDict::new(py);
        pairs.call_method1("update", (keys,))?;
        let mut made: Option<mediacask::Signer> = None;
        for (id, secret) in pairs {
            let (id, secret) = (id.extract::<String>()?, secret_of(&secret)?);
            made = Some(call(py, || match made {
                None => mediacask::Signer::new(&id, secret),
                Some(signer) => signer.accept(&id, secret),
            })?);
        }
        let signer = made.ok_or_else(|| errors::invalid(py, "a signer needs a key at least, to sign with"))?;
        Ok(Signer(match clock {
            Some(clock) => signer.clock(clock.get().hand()),
            None => signer,
        }))
    }

    /// The text of a grant that begins now, of at most 79 characters that stand in a URL as they are.
    ///
    /// method
    ///     ``"get"``: facts and content; ``"head"``: facts only.
    /// ttl
    ///     For how long: a timedelta or seconds, up to a week. Default four hours.
    ///
    /// Nobody is asked whether the name is there.
    ///
    /// >>> url = f"https://media.example.com/5500001/logo.png?grant={signer.sign('5500001', 'logo.png')}"
    #[pyo3(signature = (account, name, *, method="get", ttl=None))]
    fn sign(
        &self,
        py: Python<'_>,
        account: &str,
        name: &str,
        method: &str,
        ttl: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<String> {
        let mut grant = Grant::new(account, name).method(method_of(py, method)?);
        if let Some(ttl) = ttl {
            grant = grant.ttl(times::span(ttl, "ttl")?);
        }
        call(py, || self.0.sign(&grant))
    }

    /// Until when ``text`` lets its bearer do that with that name, an aware datetime.
    ///
    /// InvalidTokenError when it was altered or made up, or is for another name, account or method; UnknownKeyError
    /// when its key is none of these; ExpiredTokenError when it is genuine, and its time is over.
    #[pyo3(signature = (text, account, name, *, method="get"))]
    fn verify<'py>(
        &self,
        py: Python<'py>,
        text: &str,
        account: &str,
        name: &str,
        method: &str,
    ) -> PyResult<Bound<'py, PyDateTime>> {
        let method = method_of(py, method)?;
        times::datetime(py, call(py, || self.0.verify(text, account, name, method))?)
    }
}

fn method_of(py: Python<'_>, method: &str) -> PyResult<Method> {
    options::word(py, "method", method, &[("get", Method::Get), ("head", Method::Head)])
}

fn secret_of(secret: &Bound<'_, PyAny>) -> PyResult<[u8; 32]> {
    let bytes: Cow<'_, [u8]> = secret.extract()?;
    let len = bytes.len();
    <[u8; 32]>::try_from(&*bytes).map_err(|_| {
        errors::invalid(secret.py(), &format!("a secret is 32 bytes, of secrets.token_bytes(32), not {len}"))
    })
}

//! How this API says no: one table from what went wrong to status and word, and one shape.
//!
//! Errors of the store have the words and statuses of the table [`mediacask::FACES`]; here are those that only a
//! gateway can have. Clients go by the word: it is stable, sentences are not.

use axum::body::Body;
use http::{Response, StatusCode};
use mediacask::ErrorKind;
use serde_json::json;

use crate::refusal::Refusal;

/// What the store has no word for, by the status that stands for it.
pub(super) const OWN: [(StatusCode, &str); 9] = [
    (StatusCode::BAD_REQUEST, "bad_request"),
    (StatusCode::UNAUTHORIZED, "unauthenticated"),
    (StatusCode::FORBIDDEN, "forbidden"),
    (StatusCode::NOT_FOUND, "not_found"),
    (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
    (StatusCode::REQUEST_TIMEOUT, "request_timeout"),
    (StatusCode::PRECONDITION_FAILED, "precondition_failed"),
    (StatusCode::RANGE_NOT_SATISFIABLE, "range_not_satisfiable"),
    (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
];

/// The word and the status of a refusal.
fn word(refusal: &Refusal) -> (&'static str, StatusCode) {
    let known = refusal.kind.map(ErrorKind::face).and_then(|face| {
        let status = StatusCode::from_u16(face.http_status).ok()?;
        Some((face.name, status))
    });
    known.unwrap_or_else(|| {
        let own = OWN.iter().find(|(status, _)| *status == refusal.status);
        own.map_or(("internal", StatusCode::INTERNAL_SERVER_ERROR), |(status, word)| (*word, *status))
    })
}

/// A refusal as JSON.
pub(super) fn refused(refusal: Refusal) -> Response<Body> {
    let (word, status) = word(&refusal);
    let shape = json!({ "error": word, "message": refusal.message });
    Refusal { status, ..refusal }.shaped(&shape)
}

/// There is no such name.
pub(super) fn absent() -> Refusal {
    Refusal::not_found("there is no such name, or its time is over")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_store_says_is_told_by_its_own_word_and_status() {
        for face in mediacask::FACES {
            let refusal = Refusal { kind: Some(face.kind), ..Refusal::bad_request("why") };
            assert_eq!(word(&refusal), (face.name, StatusCode::from_u16(face.http_status).unwrap()));
        }
        for (status, own) in OWN {
            assert_eq!(word(&Refusal::new(status, "why")), (own, status));
        }
        assert_eq!(word(&Refusal::new(StatusCode::IM_A_TEAPOT, "why")).0, "internal");
    }
}

//! `/_demo/…`: the log of requests and the faults, for people and for tests in another process. These requests need no
//! token; they are neither limited nor recorded.

use axum::body::Body;
use axum::http::Response;
use serde_json::{Value, json};

use crate::account::{Account, lock};
use crate::fault::Fault;

/// Handles `GET /_demo/requests`, `DELETE /_demo/requests`, `POST /_demo/faults` (one fault a line) and
/// `DELETE /_demo/faults`.
pub(crate) fn respond(account: &Account, method: &str, path: &str, body: &[u8]) -> Response<Body> {
    let (status, body) = match (method, path) {
        ("GET", "requests") => (200, lock(&account.recorder().log).summary()),
        ("DELETE", "requests") => {
            account.clear_requests();
            (200, json!({}))
        }
        ("POST", "faults") => inject(account, &String::from_utf8_lossy(body)),
        ("DELETE", "faults") => {
            account.clear_faults();
            (200, json!({}))
        }
        _ => (404, json!({ "error": "known: GET or DELETE /_demo/requests, POST or DELETE /_demo/faults" })),
    };
    let response = Response::builder().status(status).header("content-type", "application/json");
    response.body(Body::from(format!("{body}\n"))).expect("the status and the header are constants that HTTP allows")
}

/// Injects all faults of the text, or none if one of them is wrong.
fn inject(account: &Account, text: &str) -> (u16, Value) {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    match lines.map(str::parse).collect::<Result<Vec<Fault>, _>>() {
        Err(error) => (400, json!({ "error": error.to_string() })),
        Ok(faults) if faults.is_empty() => (400, json!({ "error": "there is no fault in the body" })),
        Ok(faults) => {
            let count = faults.len();
            faults.into_iter().for_each(|fault| account.inject(fault));
            (201, json!({ "injected": count }))
        }
    }
}

//! What went wrong, as far as it can be told from an error of the HTTP library or from the body of an error answer.

use super::error::{causes, find_cause, sanitise};
use crate::reason::Reason;

/// What an error body says.
#[derive(Default)]
pub(crate) struct Complaint {
    /// `errorCode`.
    pub(crate) code: Option<i64>,
    /// What it says in words, fit for a log line.
    pub(crate) text: String,
}

/// Reads an error body; whatever it is, that is no further error. `hide` takes secrets out of what it says.
pub(crate) fn read_complaint(body: &[u8], hide: impl FnOnce(String) -> String) -> Complaint {
    use serde_json::Value;
    // An untyped tree is fine here: the body is small and rare.
    let Ok(Value::Object(fields)) = serde_json::from_slice(body) else { return Complaint::default() };
    #[expect(clippy::cast_possible_truncation, reason = "a whole number, and a code is small")]
    let code = fields.get("errorCode").and_then(|code| match code {
        Value::Number(n) => n.as_i64().or_else(|| n.as_f64().filter(|n| n.fract() == 0.0).map(|n| n as i64)),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    });
    let mut texts: Vec<String> = Vec::new();
    texts.extend(fields.get("errorMessage").and_then(Value::as_str).map(str::to_owned));
    if let Some(Value::Array(details)) = fields.get("errorDetails") {
        texts.extend(details.iter().filter_map(Value::as_str).map(str::to_owned));
    }
    if let Some(Value::Object(attributes)) = fields.get("attributeErrors") {
        texts.extend(attributes.iter().filter_map(|(name, text)| Some(format!("{name}: {}", text.as_str()?))));
    }
    Complaint { code, text: sanitise(&hide(texts.join("; "))) }
}

/// The reason of a failure below HTTP. `answered`: while the body was read.
pub(crate) fn classify(error: &reqwest::Error, answered: bool) -> Reason {
    use std::io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    // First, because the library calls a time-out in the body a decoding error.
    if error.is_timeout() {
        return Reason::Timeout;
    }
    if find_cause::<rustls::Error>(error).is_some() {
        return Reason::Tls;
    }
    if error.is_connect() {
        // TCP is up when a handshake meets the end of the stream.
        let in_handshake = has_io_kind(error, &[UnexpectedEof]);
        return if in_handshake { Reason::Tls } else { Reason::Connect };
    }
    if error.is_builder() {
        return Reason::Internal;
    }
    match find_cause::<hyper::Error>(error) {
        Some(cause) if cause.is_parse() => Reason::Decode,
        // Chunks that are none.
        Some(_) if answered && has_io_kind(error, &[InvalidInput, InvalidData]) => Reason::Decode,
        None if answered => Reason::Decode,
        _ => Reason::Connect,
    }
}

fn has_io_kind(error: &reqwest::Error, kinds: &[std::io::ErrorKind]) -> bool {
    causes(error).filter_map(|cause| cause.downcast_ref::<std::io::Error>()).any(|io| kinds.contains(&io.kind()))
}

/// A kept-alive connection that the server closed while the request was on its way.
pub(crate) fn was_closed_under_us(error: &reqwest::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    !error.is_timeout()
        && !error.is_connect()
        && (has_io_kind(error, &[BrokenPipe, ConnectionAborted, ConnectionReset])
            || find_cause::<hyper::Error>(error).is_some_and(|e| e.is_incomplete_message() || e.is_canceled()))
}

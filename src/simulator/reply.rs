//! Answers and errors in the published form.

use serde_json::json;

/// What the primary says when the `Accept` of a request does not suit it.
const UNACCEPTABLE: &str = "A response cannot be generated in the media type specified by the request accept header.";

/// An answer before it goes on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// `Content-Type`; empty: none.
    pub(crate) media_type: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// A JSON answer in the version that was asked for.
    pub(crate) fn json(status: u16, version: &str, body: String) -> Reply {
        let media_type = json_media_type(version);
        Reply { status, media_type, headers: Vec::new(), body: body.into_bytes() }
    }

    /// A plain answer, as `/ping` gives it.
    pub(crate) fn text(status: u16, version: &str, body: &str) -> Reply {
        let media_type = format!("text/vnd.netbackup+plain;version={version}");
        Reply { status, media_type, headers: Vec::new(), body: body.as_bytes().to_vec() }
    }
}

/// `application/vnd.netbackup+json;version=…`.
pub(crate) fn json_media_type(version: &str) -> String {
    format!("application/vnd.netbackup+json;version={version}")
}

/// A refusal: the status and the published error body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) status: u16,
    code: i64,
    message: String,
    details: Vec<String>,
}

impl Problem {
    /// A refusal with NetBackup's own number for it.
    pub(crate) fn new(status: u16, code: i64, message: &str) -> Problem {
        Problem { status, code, message: message.to_owned(), details: Vec::new() }
    }

    /// 400: the filter, or a cursor, is not valid.
    pub(crate) fn filter(detail: impl Into<String>) -> Problem {
        Problem::new(400, 9401, "The OData filter criteria is invalid.").with(detail)
    }

    /// 400: any other parameter is not valid. The number is made up: none is published.
    pub(crate) fn parameter(detail: impl Into<String>) -> Problem {
        Problem::new(400, 8951, "A request parameter is invalid.").with(detail)
    }

    /// 401: no credential, or a wrong one. The number is made up: only that it is not 8000 is known.
    pub(crate) fn unauthenticated() -> Problem {
        Problem::new(401, 5930, "The token or API key is missing, invalid or expired.")
    }

    /// 401: the caller lacks a right.
    pub(crate) fn denied() -> Problem {
        Problem::new(401, 8000, "User does not have permission(s) to perform the requested operation.")
    }

    /// 404.
    pub(crate) fn not_found() -> Problem {
        Problem::new(404, 227, "No entity was found.")
    }

    /// 405.
    pub(crate) fn method() -> Problem {
        Problem::new(405, 8950, "The method is not allowed.")
    }

    /// 406.
    pub(crate) fn unacceptable() -> Problem {
        Problem::new(406, 8952, UNACCEPTABLE)
    }

    /// 415.
    pub(crate) fn media_type() -> Problem {
        Problem::new(415, 8953, "The media type of the request is not supported.")
    }

    /// Adds a text to `errorDetails`.
    pub(crate) fn with(mut self, detail: impl Into<String>) -> Problem {
        self.details.push(detail.into());
        self
    }

    /// The answer in the given version.
    pub(crate) fn reply(&self, version: &str) -> Reply {
        let body = json!({
            "errorCode": self.code,
            "errorMessage": self.message,
            "attributeErrors": {},
            "fileUploadErrors": [],
            "errorDetails": self.details,
        });
        Reply::json(self.status, version, body.to_string())
    }
}

//! Faults as they are written on a command line: `[ENDPOINT=]KIND[:ARG][xTIMES]`.

use std::fmt::Write as _;
use std::str::FromStr;

use super::fault::{Door, Fault};

/// What goes wrong, where, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultRule {
    /// The answers of an endpoint.
    Answers {
        /// The paths that start with this; `None`: all.
        endpoint: Option<String>,
        /// What becomes of their answers.
        fault: Fault,
        /// How many; `None`: all.
        times: Option<usize>,
    },
    /// Every connection.
    Connections(Door),
}

/// A text that is no fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadFaultRule {
    /// The kind is unknown.
    #[error("unknown kind of fault; known are: {}", kinds().join(", "))]
    Kind,
    /// The kind needs an argument that is missing or wrong, or takes none.
    #[error("{0}")]
    Argument(&'static str),
    /// The endpoint.
    #[error("expected [ENDPOINT=]KIND[:ARG][xTIMES], with an ENDPOINT such as /admin/jobs")]
    Endpoint,
    /// A kind that concerns connections as a whole.
    #[error("refuse and silence concern every connection: they take neither ENDPOINT nor xTIMES")]
    Connections,
}

/// Kinds that take no argument.
const PLAIN: [(&str, Fault, &str); 23] = [
    ("hang", Fault::Hang, "no answer, ever"),
    ("close", Fault::Close, "the connection is closed without an answer"),
    ("reset", Fault::Reset, "the connection is reset without an answer"),
    ("drip", Fault::Drip, "a byte of the body every 200 ms"),
    ("slow-headers", Fault::SlowHeaders, "a byte every 200 ms from the status line on"),
    ("huge-headers", Fault::HugeHeaders, "8 MiB of headers"),
    ("not-http", Fault::NotHttp, "what comes is no HTTP"),
    ("html", Fault::Html, "a page of HTML"),
    ("empty", Fault::EmptyBody, "an empty body"),
    ("truncated", Fault::TruncatedBody, "the connection is closed in the middle of the body"),
    ("short-length", Fault::ShortLength, "Content-Length says too little"),
    ("long-length", Fault::LongLength, "Content-Length says too much, and the connection stays open"),
    ("cut-json", Fault::CutJson, "the JSON stops in its middle"),
    ("not-json", Fault::NotJson, "the body is no JSON"),
    ("deep", Fault::DeepNesting, "arrays within arrays, 200000 deep"),
    ("bad-utf8", Fault::BadUtf8, "a byte that is no UTF-8"),
    ("endless", Fault::EndlessBody, "a body that never ends"),
    ("gzip-bomb", Fault::GzipBomb, "a compressed body that never ends"),
    ("bad-gzip", Fault::BadGzip, "said to be compressed, and is not"),
    ("wrong-media-type", Fault::WrongMediaType, "the right answer as text/plain"),
    ("repeated-cursor", Fault::RepeatedCursor, "lists name the same next page for ever"),
    ("cursor-loop", Fault::CursorLoop, "lists lead in a circle of three pages"),
    ("endless-list", Fault::EndlessList, "lists never end"),
];

/// Kinds that take one, and those of connections.
const OTHERS: [(&str, &str); 5] = [
    ("status:CODE[,retry-after:VALUE]", "this status, with Retry-After where given"),
    ("body:TEXT", "this body as JSON, such as body:null"),
    ("redirect:URL", "302 to this address"),
    ("silence", "connections are accepted and nothing is said, TLS neither; takes no ENDPOINT"),
    ("refuse", "connections are refused; takes no ENDPOINT"),
];

impl FaultRule {
    /// The grammar and every kind, for a help text.
    #[must_use]
    pub fn help() -> String {
        let mut help = "What goes wrong, as [ENDPOINT=]KIND[:ARG][xTIMES], repeatable: the answers of every path that starts with \
            ENDPOINT (such as /admin/jobs; without it, all paths), for TIMES requests or for ever. The longest ENDPOINT decides. Kinds:"
            .to_owned();
        for (kind, meaning) in
            PLAIN.iter().map(|(kind, _, meaning)| (kind, meaning)).chain(OTHERS.iter().map(|(k, m)| (k, m)))
        {
            // Writing to a string cannot fail.
            let _ = write!(help, "\n  {kind}: {meaning}");
        }
        help
    }
}

fn kinds() -> Vec<&'static str> {
    PLAIN.iter().map(|(kind, ..)| *kind).chain(OTHERS.iter().map(|(kind, _)| *kind)).collect()
}

impl FromStr for FaultRule {
    type Err = BadFaultRule;

    fn from_str(text: &str) -> Result<FaultRule, BadFaultRule> {
        let (endpoint, rest) = match text.split_once('=') {
            Some((endpoint, rest)) if endpoint.starts_with('/') => (Some(endpoint.to_owned()), rest),
            _ if text.starts_with('/') || text.starts_with('=') => return Err(BadFaultRule::Endpoint),
            _ => (None, text),
        };
        let (kind, times) = split_times(rest);
        let door = match kind {
            "silence" => Some(Door::Silent),
            "refuse" => Some(Door::Closed),
            _ => None,
        };
        if let Some(door) = door {
            let is_for_all = endpoint.is_none() && times.is_none();
            return if is_for_all { Ok(FaultRule::Connections(door)) } else { Err(BadFaultRule::Connections) };
        }
        Ok(FaultRule::Answers { endpoint, fault: read_fault(kind)?, times })
    }
}

/// `KIND` and `TIMES` of `KINDxTIMES`.
fn split_times(text: &str) -> (&str, Option<usize>) {
    let counted = text.rsplit_once('x').and_then(|(kind, times)| Some((kind, times.parse().ok().filter(|n| *n > 0)?)));
    counted.map_or((text, None), |(kind, times)| (kind, Some(times)))
}

fn read_fault(text: &str) -> Result<Fault, BadFaultRule> {
    let (kind, argument) = text.split_once(':').map_or((text, None), |(kind, argument)| (kind, Some(argument)));
    let needed = |what| argument.filter(|argument| !argument.is_empty()).ok_or(BadFaultRule::Argument(what));
    match kind {
        "status" => read_status(needed(STATUS)?),
        "body" => Ok(Fault::Body(needed("body needs a text, such as body:null")?.to_owned())),
        "redirect" => {
            let target = needed("redirect needs an address, such as redirect:http://127.0.0.1:1/")?;
            // What a header may hold.
            let is_printable = target.bytes().all(|byte| byte.is_ascii_graphic());
            is_printable
                .then(|| Fault::Redirect(target.to_owned()))
                .ok_or(BadFaultRule::Argument("redirect needs an address without blanks"))
        }
        _ => match PLAIN.iter().find(|(name, ..)| *name == kind) {
            Some(_) if argument.is_some() => Err(BadFaultRule::Argument("this kind of fault takes no argument")),
            Some((_, fault, _)) => Ok(fault.clone()),
            None => Err(BadFaultRule::Kind),
        },
    }
}

const STATUS: &str = "status needs a code from 200 to 599, such as status:503 or status:429,retry-after:120";

fn read_status(text: &str) -> Result<Fault, BadFaultRule> {
    // A date holds commas and colons: what follows the first is the value, whatever it holds.
    let (code, wait) = match text.split_once(',') {
        None => (text, None),
        Some((code, rest)) => (code, Some(rest.strip_prefix("retry-after:").ok_or(BadFaultRule::Argument(STATUS))?)),
    };
    let code = code.parse().ok().filter(|code| (200..600).contains(code)).ok_or(BadFaultRule::Argument(STATUS))?;
    if wait.is_some_and(|wait| !wait.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')) {
        return Err(BadFaultRule::Argument(STATUS));
    }
    let headers = wait.map(|wait| ("retry-after".to_owned(), wait.to_owned())).into_iter().collect();
    Ok(Fault::Status(code, headers, String::new()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(endpoint: Option<&str>, fault: Fault, times: Option<usize>) -> Result<FaultRule, BadFaultRule> {
        Ok(FaultRule::Answers { endpoint: endpoint.map(str::to_owned), fault, times })
    }

    fn status(code: u16, retry_after: Option<&str>) -> Fault {
        let headers = retry_after.map(|value| ("retry-after".to_owned(), value.to_owned())).into_iter().collect();
        Fault::Status(code, headers, String::new())
    }

    #[test]
    fn each_part_is_read() {
        for (text, expected) in [
            ("hang", answers(None, Fault::Hang, None)),
            ("hangx3", answers(None, Fault::Hang, Some(3))),
            ("/admin/jobs=status:503", answers(Some("/admin/jobs"), status(503, None), None)),
            ("/=status:503x12", answers(Some("/"), status(503, None), Some(12))),
            ("status:429,retry-after:120", answers(None, status(429, Some("120")), None)),
            ("status:503,retry-after:", answers(None, status(503, Some("")), None)),
            (
                "/ping=status:503,retry-after:Wed, 21 Oct 2015 07:28:00 GMTx2",
                answers(Some("/ping"), status(503, Some("Wed, 21 Oct 2015 07:28:00 GMT")), Some(2)),
            ),
            (
                "status:429,retry-after:2022-01-14T14:46:01.311Z",
                answers(None, status(429, Some("2022-01-14T14:46:01.311Z")), None),
            ),
            ("body:null", answers(None, Fault::Body("null".into()), None)),
            (
                "/admin=body:{\"data\":[1,\"a=b\"]}",
                answers(Some("/admin"), Fault::Body("{\"data\":[1,\"a=b\"]}".into()), None),
            ),
            ("body:[\"a=b\"]", answers(None, Fault::Body("[\"a=b\"]".into()), None)),
            (
                "redirect:http://127.0.0.1:1/?a=b",
                answers(None, Fault::Redirect("http://127.0.0.1:1/?a=b".into()), None),
            ),
            ("refuse", Ok(FaultRule::Connections(Door::Closed))),
            ("silence", Ok(FaultRule::Connections(Door::Silent))),
        ] {
            assert_eq!(text.parse(), expected, "{text}");
        }
    }

    #[test]
    fn every_kind_that_is_named_is_understood() {
        for kind in kinds() {
            let example = match kind.split_once(':') {
                Some(("status", _)) => "status:500",
                Some(("redirect", _)) => "redirect:/x",
                _ => kind,
            };
            assert!(example.parse::<FaultRule>().is_ok(), "{kind}");
            assert!(FaultRule::help().contains(kind), "{kind}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for text in
            ["", "x3", "hang:1", "hangx0", "hang x3", "/admin/jobs", "/admin/jobs=", "admin=hang", "=hang", "explode"]
        {
            assert!(text.parse::<FaultRule>().is_err(), "{text:?}");
        }
        for text in [
            "status",
            "status:",
            "status:abc",
            "status:99",
            "status:100",
            "status:600",
            "status:503,later:3",
            "status:429,retry-after:a\nb",
            "redirect",
            "redirect:a b",
            "body",
        ] {
            assert!(matches!(text.parse::<FaultRule>(), Err(BadFaultRule::Argument(_))), "{text:?}");
        }
        for text in ["/admin=refuse", "silencex2"] {
            assert_eq!(text.parse::<FaultRule>(), Err(BadFaultRule::Connections), "{text:?}");
        }
        let message = "explode".parse::<FaultRule>().unwrap_err().to_string();
        assert!(
            message.contains("hang") && message.contains("status:CODE") && !message.contains("explode"),
            "{message}"
        );
    }
}

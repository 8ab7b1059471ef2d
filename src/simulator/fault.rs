//! How an endpoint misbehaves, and what becomes of the right answer then.

use std::time::Duration;

use super::reply::{Reply, json_media_type};
use super::wire::{End, Script};

/// How deep [`Fault::DeepNesting`] goes.
const DEPTH: usize = 200_000;
/// What [`Fault::HugeHeaders`] adds to the headers, in bytes.
const HUGE: usize = 8 * 1024 * 1024;
/// From one byte to the next where an answer drips.
const DRIP: Duration = Duration::from_millis(200);
/// Longer than any body that is sent with it.
const PROMISED_TOO_MUCH: usize = 1_000;

/// How an endpoint misbehaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// This status, these headers, this body; without a `Content-Type` of its own it has none.
    Status(u16, Vec<(String, String)>, String),
    /// The request is read and never answered.
    Hang,
    /// The connection is closed without an answer.
    Close,
    /// The connection is reset (RST) without an answer.
    Reset,
    /// The right headers at once, then a byte of the body every 200 ms.
    Drip,
    /// A byte every 200 ms, beginning with the status line.
    SlowHeaders,
    /// The right answer behind 8 MiB of headers.
    HugeHeaders,
    /// What comes is no HTTP.
    NotHttp,
    /// 200 with a page of HTML.
    Html,
    /// 200 of the right media type, without a body.
    EmptyBody,
    /// The connection is closed in the middle of the body.
    TruncatedBody,
    /// `Content-Length` says half of what is sent.
    ShortLength,
    /// `Content-Length` says more than is sent, and the connection stays open.
    LongLength,
    /// 200 of the right media type; the body is whole for HTTP, but the JSON stops in its middle.
    CutJson,
    /// 200 of the right media type with a body that is no JSON.
    NotJson,
    /// 200 of the right media type with this body.
    Body(String),
    /// 200 of the right media type with arrays within arrays, 200,000 deep.
    DeepNesting,
    /// The right answer with a byte in a text that is no UTF-8.
    BadUtf8,
    /// 200 of the right media type with a body that never ends.
    EndlessBody,
    /// 200 of the right media type with a compressed body that never ends, a thousandth of its content in size.
    GzipBomb,
    /// The right media type and `Content-Encoding: gzip`, but the body is not compressed.
    BadGzip,
    /// The right answer under the media type `text/plain`.
    WrongMediaType,
    /// Lists say `next` for ever, always the same.
    RepeatedCursor,
    /// Lists say `next` for ever, one of three in turn.
    CursorLoop,
    /// Lists say `next` for ever, always another.
    EndlessList,
    /// 302 to this address.
    Redirect(String),
}

/// How the primary treats those who connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Door {
    /// It answers.
    #[default]
    Open,
    /// Connections are accepted, and nothing is read or written: neither TLS nor HTTP.
    Silent,
    /// Nobody listens: connections are refused.
    Closed,
}

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Whole,
    /// Whole, and never compressed by the server.
    AsItIs,
    /// In its middle, with the connection.
    Cut,
    /// Not at all.
    Endless,
    /// Not at all, compressed.
    Bomb,
}

/// What becomes of an answer.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It goes out by the rules of HTTP.
    Answer(Reply, Ending),
    /// The bytes are written past the HTTP server.
    Raw(Script),
    /// There is none, for ever.
    Never,
}

impl Fault {
    /// After how many steps the lists come back to where they were; 0: they do not.
    pub(crate) fn cursor_loop(&self) -> usize {
        match self {
            Fault::RepeatedCursor => 1,
            Fault::CursorLoop => 3,
            Fault::EndlessList => usize::MAX,
            _ => 0,
        }
    }

    /// Turns the right answer into the wrong one.
    pub(crate) fn spoil(self, mut reply: Reply, version: &str) -> Outcome {
        let right = |body: Vec<u8>| Reply { status: 200, media_type: json_media_type(version), headers: vec![], body };
        let nothing = |end| Outcome::Raw(Script { end, ..Script::default() });
        let length = reply.body.len();
        let mut ending = Ending::Whole;
        match self {
            Fault::Hang => return Outcome::Never,
            Fault::Close => return nothing(End::Close),
            Fault::Reset => return nothing(End::Reset),
            Fault::NotHttp => {
                let at_once = b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec();
                return Outcome::Raw(Script { at_once, ..Script::default() });
            }
            Fault::Drip => {
                let dripping = reply.body.clone();
                return Outcome::Raw(Script {
                    at_once: head(&reply, length, 0),
                    dripping,
                    pace: DRIP,
                    end: End::Close,
                });
            }
            Fault::SlowHeaders => {
                let dripping = whole(&reply, length, 0);
                return Outcome::Raw(Script { at_once: Vec::new(), dripping, pace: DRIP, end: End::Close });
            }
            Fault::HugeHeaders => {
                return Outcome::Raw(Script { at_once: whole(&reply, length, HUGE), ..Script::default() });
            }
            Fault::ShortLength | Fault::LongLength => {
                let said = if self == Fault::ShortLength { length / 2 } else { length + PROMISED_TOO_MUCH };
                return Outcome::Raw(Script { at_once: whole(&reply, said, 0), end: End::Hold, ..Script::default() });
            }
            Fault::Status(status, headers, body) => {
                reply = Reply { status, media_type: String::new(), headers, body: body.into_bytes() };
            }
            Fault::Redirect(target) => {
                let headers = vec![("location".to_owned(), target)];
                reply = Reply { status: 302, media_type: String::new(), headers, body: Vec::new() };
            }
            Fault::Html => {
                reply = right(b"<!DOCTYPE html><html><body><h1>It works!</h1></body></html>".to_vec());
                reply.media_type = "text/html;charset=utf-8".to_owned();
            }
            Fault::NotJson => reply = right(b"OK\nnothing here is JSON\n".to_vec()),
            Fault::Body(body) => reply = right(body.into_bytes()),
            Fault::DeepNesting => {
                let mut body = b"{\"data\":".to_vec();
                body.resize(body.len() + DEPTH, b'[');
                body.resize(body.len() + DEPTH, b']');
                body.push(b'}');
                reply = right(body);
            }
            Fault::BadUtf8 => {
                let text = reply.body.iter().rposition(|byte| *byte == b'"').unwrap_or(0);
                reply.body.insert(text, 0xFF);
            }
            Fault::EmptyBody => reply.body.clear(),
            Fault::CutJson => reply.body.truncate(length / 2),
            Fault::WrongMediaType => reply.media_type = "text/plain".to_owned(),
            Fault::RepeatedCursor | Fault::CursorLoop | Fault::EndlessList => {}
            Fault::TruncatedBody => ending = Ending::Cut,
            Fault::EndlessBody => ending = Ending::Endless,
            Fault::GzipBomb | Fault::BadGzip => {
                reply.headers.push(("content-encoding".to_owned(), "gzip".to_owned()));
                ending = if self == Fault::GzipBomb { Ending::Bomb } else { Ending::AsItIs };
            }
        }
        Outcome::Answer(reply, ending)
    }
}

/// Status line and headers, with so many bytes of headers that nobody asked for.
fn head(reply: &Reply, length: usize, filling: usize) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {} Simulated\r\ncontent-type: {}\r\n", reply.status, reply.media_type);
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    const LINE: usize = 8_000;
    for number in 0..filling / LINE {
        head.push_str(&format!("x-filling-{number}: {}\r\n", "x".repeat(LINE)));
    }
    head.push_str(&format!("content-length: {length}\r\n\r\n"));
    head.into_bytes()
}

fn whole(reply: &Reply, length: usize, filling: usize) -> Vec<u8> {
    let mut bytes = head(reply, length, filling);
    bytes.extend_from_slice(&reply.body);
    bytes
}

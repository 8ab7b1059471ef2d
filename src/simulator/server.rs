//! The HTTP side: connections, one request after the other, and the faults that tests ask for.

use std::convert::Infallible;
use std::io::{self, Write};
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::control::{Control, Fault, lock};
use super::endpoint::{Call, answer};
use super::journal::LoggedRequest;
use super::reply::{Reply, json_media_type};

const BASE: &str = "/netbackup";
/// What a body of a request may measure.
const LARGEST_BODY: usize = 65_536;
/// Below this it is not worth compressing.
const SMALLEST_GZIP: usize = 1_024;
/// How long a stopping server waits for answers that are under way.
const GRACE: Duration = Duration::from_secs(1);
/// How often the world moves on though nobody asks, so that the next one who asks need not wait for months.
const TICK: Duration = Duration::from_secs(30);

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// Serves until `stop` turns true or its sender is gone.
pub(crate) async fn serve(listener: TcpListener, control: Control, mut stop: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    let mut tick = tokio::time::interval(TICK);
    loop {
        let accepted = tokio::select! {
            // A true value or a lost sender: either way it is over.
            _ = stop.wait_for(|stop| *stop) => break,
            _ = tick.tick() => {
                drop(control.shared.world());
                continue;
            }
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => drop(connections.spawn(connection(stream, control.clone(), stop.clone()))),
            // Out of file descriptors, most likely: a moment later one may be free.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn connection(stream: TcpStream, control: Control, mut stop: watch::Receiver<bool>) {
    let _ = stream.set_nodelay(true);
    let number = control.shared.connections.fetch_add(1, Ordering::Relaxed) + 1;
    let service = service_fn(move |request| {
        let control = control.clone();
        async move { exchange(&control, number, request).await }
    });
    let mut connection =
        pin!(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        _ = &mut connection => return,
        _ = stop.wait_for(|stop| *stop) => connection.as_mut().graceful_shutdown(),
    }
    let _ = tokio::time::timeout(GRACE, connection).await;
}

/// One request and its answer; an error closes the connection without one.
async fn exchange(control: &Control, connection: u64, request: Request<Incoming>) -> io::Result<Response<Body>> {
    let shared = &control.shared;
    let _in_flight = shared.enter();
    let (parts, body) = request.into_parts();
    let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let full = parts.uri.path();
    let path = full.strip_prefix(BASE).filter(|path| path.starts_with('/')).unwrap_or(full);
    let inside = path.len() < full.len();
    let query = parts.uri.query().unwrap_or_default();
    let accept = text("accept");
    let record = lock(&shared.journal).push(LoggedRequest {
        method: parts.method.to_string(),
        path: path.to_owned(),
        query: query.to_owned(),
        authorization: parts.headers.contains_key("authorization"),
        accept: accept.clone(),
        accept_encoding: text("accept-encoding"),
        content_type: text("content-type"),
        user_agent: text("user-agent"),
        client_id: text("x-client-id"),
        connection,
        status: None,
        body_bytes: 0,
    });
    let body = Limited::new(body, LARGEST_BODY).collect().await.map_err(io::Error::other)?.to_bytes();
    let settings = lock(&shared.settings).clone();
    if !settings.latency.is_zero() {
        tokio::time::sleep(settings.latency).await;
    }
    let fault = shared.fault(path);
    let call = Call {
        method: parts.method.as_str(),
        path: if inside { path } else { "" },
        query,
        accept: accept.as_deref(),
        content_type: parts.headers.get("content-type").map(|value| value.to_str().unwrap_or("?")),
        authorization: parts.headers.get("authorization").and_then(|value| value.to_str().ok()),
        has_cookie: parts.headers.contains_key("cookie"),
        body: &body,
        repeat_cursor: fault == Some(Fault::RepeatedCursor),
    };
    // The latency may have been long: what was switched meanwhile counts.
    let settings = lock(&shared.settings).clone();
    let mut reply = answer(shared, &settings, &call);
    let mut ending = Ending::Whole;
    if let Some(fault) = fault {
        ending = spoil(&mut reply, fault, settings.api_version())?;
    }
    if ending == Ending::Never {
        return std::future::pending().await;
    }
    lock(&shared.journal).answered(record, reply.status, reply.body.len());
    let gzip = ending == Ending::Whole && accepts_gzip(&parts.headers);
    let id = text("x-request-id").unwrap_or_else(|| format!("{connection:08x}-0000-4000-8000-{:012x}", settings.now()));
    respond(reply, ending, gzip, &id)
}

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Whole,
    /// In its middle, with the connection.
    Cut,
    /// Not at all.
    Endless,
    /// There is no answer, for ever.
    Never,
}

/// Turns the right answer into the wrong one.
fn spoil(reply: &mut Reply, fault: Fault, version: &str) -> io::Result<Ending> {
    let right = |body: &str| Reply {
        status: 200,
        media_type: json_media_type(version),
        headers: Vec::new(),
        body: body.as_bytes().to_vec(),
    };
    match fault {
        Fault::Status(status, headers, body) => {
            *reply = Reply { status, media_type: String::new(), headers, body: body.into_bytes() };
        }
        Fault::Redirect(target) => {
            let headers = vec![("location".to_owned(), target)];
            *reply = Reply { status: 302, media_type: String::new(), headers, body: Vec::new() };
        }
        Fault::Html => {
            *reply = right("<!DOCTYPE html><html><body><h1>It works!</h1></body></html>");
            reply.media_type = "text/html;charset=utf-8".to_owned();
        }
        Fault::NotJson => *reply = right("OK\nnothing here is JSON\n"),
        Fault::EmptyBody => reply.body.clear(),
        Fault::CutJson => reply.body.truncate(reply.body.len() / 2),
        Fault::WrongMediaType => reply.media_type = "text/plain".to_owned(),
        Fault::RepeatedCursor => {}
        Fault::TruncatedBody => return Ok(Ending::Cut),
        Fault::EndlessBody => return Ok(Ending::Endless),
        Fault::Hang => return Ok(Ending::Never),
        Fault::Reset => return Err(io::Error::other("a test asked for this")),
    }
    Ok(Ending::Whole)
}

fn respond(mut reply: Reply, ending: Ending, gzip: bool, id: &str) -> io::Result<Response<Body>> {
    let status = StatusCode::from_u16(reply.status).map_err(io::Error::other)?;
    let mut headers = HeaderMap::new();
    if !reply.media_type.is_empty() {
        reply.headers.push(("content-type".to_owned(), reply.media_type));
    }
    reply.headers.push(("x-request-id".to_owned(), id.to_owned()));
    if gzip && reply.body.len() >= SMALLEST_GZIP {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&reply.body)?;
        reply.body = encoder.finish()?;
        reply.headers.push(("content-encoding".to_owned(), "gzip".to_owned()));
    }
    if ending == Ending::Cut {
        reply.headers.push(("content-length".to_owned(), reply.body.len().to_string()));
    }
    for (name, value) in reply.headers {
        let name = HeaderName::try_from(name).map_err(io::Error::other)?;
        headers.append(name, HeaderValue::try_from(value).map_err(io::Error::other)?);
    }
    let bytes = Bytes::from(reply.body);
    let body = match ending {
        Ending::Whole | Ending::Never => Full::new(bytes).map_err(|never: Infallible| match never {}).boxed_unsync(),
        Ending::Cut => {
            let half = bytes.slice(..bytes.len() / 2);
            // The pause lets the first half leave before the connection goes.
            let end = stream::once(async {
                tokio::time::sleep(Duration::from_millis(20)).await;
                Err(io::Error::other("a test asked for this"))
            });
            let start = stream::iter([Ok(Frame::data(half))]);
            StreamBody::new(stream::StreamExt::chain(start, end)).boxed_unsync()
        }
        Ending::Endless => {
            let blanks = Bytes::from_static(&[b' '; 65_536]);
            let start = stream::iter([Ok(Frame::data(Bytes::from_static(b"{\"data\":[")))]);
            let rest = stream::repeat_with(move || Ok(Frame::data(blanks.clone())));
            StreamBody::new(stream::StreamExt::chain(start, rest)).boxed_unsync()
        }
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get("accept-encoding").and_then(|value| value.to_str().ok()).unwrap_or_default();
    accepted.split(',').any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        name.trim().eq_ignore_ascii_case("gzip") && !matches!(weight.trim(), "q=0" | "q=0.0")
    })
}

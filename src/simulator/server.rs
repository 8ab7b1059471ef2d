//! The HTTP side: connections, one request after the other, and the faults that tests ask for.

use std::convert::Infallible;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::Either;
use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::control::{Control, Entrance, lock};
use super::endpoint::{Call, answer};
use super::fault::{Door, Ending, Fault, Outcome};
use super::journal::LoggedRequest;
use super::reply::Reply;
use super::wire::{Script, Wire};

const BASE: &str = "/netbackup";
/// What a body of a request may measure.
const LARGEST_BODY: usize = 65_536;
/// Below this it is not worth compressing.
const SMALLEST_GZIP: usize = 1_024;
/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1_024;
/// How long a stopping server waits for answers that are under way.
const GRACE: Duration = Duration::from_secs(1);
/// How often the world moves on though nobody asks, so that the next one who asks need not wait for months.
const TICK: Duration = Duration::from_secs(30);

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// The port: listening, or held without listening, so that the system refuses connections and gives it to nobody else.
enum Port {
    Listening(TcpListener),
    Held(#[expect(dead_code, reason = "it is held, not used")] TcpSocket),
}

impl Port {
    fn suits(&self, door: Door) -> bool {
        matches!(self, Port::Held(_)) == (door == Door::Closed)
    }

    fn take(address: SocketAddr, door: Door) -> io::Result<Port> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // Connections of before may linger on it.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok(if door == Door::Closed { Port::Held(socket) } else { Port::Listening(socket.listen(BACKLOG)?) })
    }

    async fn accept(&self) -> io::Result<TcpStream> {
        match self {
            Port::Listening(listener) => listener.accept().await.map(|(stream, _)| stream),
            Port::Held(_) => std::future::pending().await,
        }
    }
}

/// Serves until `stop` turns true or its sender is gone.
pub(crate) async fn serve(listener: TcpListener, control: Control, mut stop: watch::Receiver<bool>) {
    let Ok(address) = listener.local_addr() else { return };
    let mut port = Some(Port::Listening(listener));
    let mut entrance = control.shared.entrance.subscribe();
    let mut connections = JoinSet::new();
    let mut tick = tokio::time::interval(TICK);
    loop {
        let now = entrance.borrow_and_update().clone();
        // Given up before it is taken again in the other way.
        port = port.filter(|port| port.suits(now.door)).or_else(|| Port::take(address, now.door).ok());
        let accept = async {
            match &port {
                Some(port) => port.accept().await,
                None => Err(io::ErrorKind::AddrInUse.into()),
            }
        };
        let accepted = tokio::select! {
            // A true value or a lost sender: either way it is over.
            _ = stop.wait_for(|stop| *stop) => break,
            // Its sender is with the hooks, and so lives as long as this does.
            Ok(()) = entrance.changed() => {
                connections.abort_all();
                continue;
            }
            _ = tick.tick() => {
                drop(control.shared.world());
                continue;
            }
            Some(_) = connections.join_next() => continue,
            accepted = accept => accepted,
        };
        match accepted {
            Ok(stream) => drop(connections.spawn(connection(stream, now, control.clone(), stop.clone()))),
            // Out of file descriptors, most likely: a moment later one may be free.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
    drop(port);
    while connections.join_next().await.is_some() {}
}

async fn connection(stream: TcpStream, entrance: Entrance, control: Control, mut stop: watch::Receiver<bool>) {
    let _ = stream.set_nodelay(true);
    let shaken = async {
        match &entrance {
            Entrance { door: Door::Silent, .. } => std::future::pending().await,
            Entrance { tls: Some(tls), .. } => tls.acceptor().accept(stream).await.map(Either::Left),
            Entrance { tls: None, .. } => Ok(Either::Right(stream)),
        }
    };
    let shaken = tokio::select! {
        shaken = shaken => shaken,
        _ = stop.wait_for(|stop| *stop) => return,
    };
    match shaken {
        Ok(Either::Left(stream)) => converse(stream, control, stop).await,
        Ok(Either::Right(stream)) => converse(stream, control, stop).await,
        // Whoever it was did not like the certificate, or speaks no TLS.
        Err(_) => {}
    }
}

/// One request after the other, until a fault takes the connection over.
async fn converse(stream: impl Wire, control: Control, mut stop: watch::Receiver<bool>) {
    let number = control.shared.connections.fetch_add(1, Ordering::Relaxed) + 1;
    let (take_over, mut scripts) = mpsc::channel(1);
    let service = service_fn(move |request| {
        let (control, take_over) = (control.clone(), take_over.clone());
        async move { exchange(&control, number, request, &take_over).await }
    });
    let mut connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let script: Option<Script> = tokio::select! {
        _ = &mut connection => return,
        script = scripts.recv() => script,
        _ = stop.wait_for(|stop| *stop) => None,
    };
    let Some(script) = script else {
        Pin::new(&mut connection).graceful_shutdown();
        let _ = tokio::time::timeout(GRACE, connection).await;
        return;
    };
    let stream = connection.into_parts().io.into_inner();
    tokio::select! {
        _ = script.play(stream) => {}
        _ = stop.wait_for(|stop| *stop) => {}
    }
}

/// One request and its answer; where a fault writes something else, that takes the connection over.
async fn exchange(
    control: &Control,
    connection: u64,
    request: Request<Incoming>,
    take_over: &mpsc::Sender<Script>,
) -> io::Result<Response<Body>> {
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
        cursor_loop: fault.as_ref().map_or(0, Fault::cursor_loop),
    };
    // The latency may have been long: what was switched meanwhile counts.
    let settings = lock(&shared.settings).clone();
    let reply = answer(shared, &settings, &call);
    let outcome = match fault {
        Some(fault) => fault.spoil(reply, settings.api_version()),
        None => Outcome::Answer(reply, Ending::Whole),
    };
    let (reply, ending) = match outcome {
        Outcome::Answer(reply, ending) => (reply, ending),
        Outcome::Raw(script) => {
            let _ = take_over.send(script).await;
            return std::future::pending().await;
        }
        Outcome::Never => return std::future::pending().await,
    };
    lock(&shared.journal).answered(record, reply.status, reply.body.len());
    let gzip = ending == Ending::Whole && accepts_gzip(&parts.headers);
    let id = text("x-request-id").unwrap_or_else(|| format!("{connection:08x}-0000-4000-8000-{:012x}", settings.now()));
    respond(reply, ending, gzip, (&id, settings.now()))
}

fn respond(mut reply: Reply, ending: Ending, gzip: bool, (id, now): (&str, i64)) -> io::Result<Response<Body>> {
    let status = StatusCode::from_u16(reply.status).map_err(io::Error::other)?;
    let mut headers = HeaderMap::new();
    if !reply.media_type.is_empty() {
        reply.headers.push(("content-type".to_owned(), reply.media_type));
    }
    reply.headers.push(("x-request-id".to_owned(), id.to_owned()));
    // By the clock that is simulated: the library would take the real one.
    if let Ok(now) = jiff::Timestamp::from_millisecond(now) {
        reply.headers.push(("date".to_owned(), now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()));
    }
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
        Ending::Whole | Ending::AsItIs => Full::new(bytes).map_err(|never: Infallible| match never {}).boxed_unsync(),
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
        Ending::Endless => endless(Bytes::from_static(b"{\"data\":["), Bytes::from_static(&[b' '; 65_536])),
        Ending::Bomb => {
            // A block that ends at a whole byte and looks back at nothing before it can stand any number of times.
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            encoder.write_all(b"{\"data\":[")?;
            encoder.flush()?;
            let start = encoder.get_ref().clone();
            let mut block = Vec::with_capacity(4_096);
            let mut compress = flate2::Compress::new(flate2::Compression::best(), false);
            let blanks = [b' '; 65_536];
            compress.compress_vec(&blanks, &mut block, flate2::FlushCompress::Full)?;
            endless(start.into(), block.into())
        }
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}

/// `start`, then `block` for ever.
fn endless(start: Bytes, block: Bytes) -> Body {
    let start = stream::iter([Ok(Frame::data(start))]);
    let rest = stream::repeat_with(move || Ok(Frame::data(block.clone())));
    StreamBody::new(stream::StreamExt::chain(start, rest)).boxed_unsync()
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get("accept-encoding").and_then(|value| value.to_str().ok()).unwrap_or_default();
    accepted.split(',').any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        name.trim().eq_ignore_ascii_case("gzip") && !matches!(weight.trim(), "q=0" | "q=0.0")
    })
}

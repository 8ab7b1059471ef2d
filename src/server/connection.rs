//! One connection, from its first byte to its end.

use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;
use tower::ServiceExt;

use super::crowd::Seat;
use super::door::{Door, Tls};
use super::pace::{Paced, Times};

/// The most bytes that a request line and headers may have; above it 431.
const MAX_HEAD: usize = 16 * 1024;

/// The first byte of a TLS connection: a record of a handshake. No request of HTTP begins with it.
const HANDSHAKE: u8 = 0x16;

/// What is said to who speaks HTTP where HTTPS is spoken.
const NOT_HTTPS: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\n\
    content-length: 23\r\nconnection: close\r\n\r\nthis port speaks HTTPS\n";

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer {
    pub(super) address: IpAddr,
    /// It has shown a certificate that was verified.
    pub(super) certified: bool,
}

/// What all connections have in common.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) router: Router,
    pub(super) door: watch::Receiver<Arc<Door>>,
    pub(super) times: Times,
    pub(super) stop: watch::Receiver<()>,
}

impl Shared {
    /// Completes when who came in by `tls` has to leave: the exporter stops, or its port speaks otherwise by now.
    async fn over(&mut self, tls: Option<&Arc<Tls>>) {
        let Shared { door, stop, .. } = self;
        let exchanged = async { door.wait_for(|door| !door.speaks(tls)).await.map(drop) };
        tokio::select! {
            _ = stop.changed() => {}
            // Where nobody is left who could exchange it, it stays.
            Ok(()) = exchanged => {}
        }
    }
}

/// Serves a connection that has just been accepted, by the newest door.
pub(super) async fn enter(stream: TcpStream, address: SocketAddr, mut shared: Shared, seat: Seat) {
    let mut peer = Peer { address: address.ip(), certified: false };
    let tls = shared.door.borrow().tls.clone();
    let Some(tls) = tls else {
        return run(stream, peer, None, shared, seat).await;
    };
    let head = shared.times.head;
    let entered = tokio::select! {
        entered = timeout(head, handshake(stream, &tls)) => entered.ok().flatten(),
        () = seat.lost() => None,
        () = shared.over(Some(&tls)) => None,
    };
    if let Some(stream) = entered {
        let (_, connection) = stream.get_ref();
        peer.certified = tls.verifies && connection.peer_certificates().is_some();
        run(stream, peer, Some(tls), shared, seat).await;
    }
}

/// The stream behind TLS; `None`: the peer did not come that far.
async fn handshake(mut stream: TcpStream, tls: &Tls) -> Option<TlsStream<TcpStream>> {
    let mut first = [0];
    if stream.peek(&mut first).await.ok()? == 0 {
        return None;
    }
    if first != [HANDSHAKE] {
        stream.write_all(NOT_HTTPS).await.ok()?;
        stream.shutdown().await.ok()?;
        // Closing with bytes unread would reset the connection and take the answer back.
        let _ = tokio::io::copy(&mut stream.take(MAX_HEAD as u64), &mut tokio::io::sink()).await;
        return None;
    }
    match tls.acceptor.accept(stream).await {
        Ok(stream) => Some(stream),
        Err(error) => {
            tracing::debug!(%error, "a TLS handshake failed");
            None
        }
    }
}

/// Answers requests until the peer, its pace, the crowd, the stop or another door ends it. A request that is being
/// answered at the stop, or when the door is exchanged, is answered; no further one is taken.
async fn run<S>(stream: S, peer: Peer, tls: Option<Arc<Tls>>, mut shared: Shared, seat: Seat)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let router = shared.router.clone();
    let (stream, begun) = Paced::new(stream, shared.times);
    let service = service_fn(|mut request: Request<Incoming>| {
        begun.store(true, Ordering::Relaxed);
        seat.renew();
        request.extensions_mut().insert(peer);
        router.clone().oneshot(request.map(Body::new))
    });
    let connection = http1::Builder::new()
        // Kept by `Paced`; the timer is for the date of the answers.
        .header_read_timeout(None)
        .timer(TokioTimer::new())
        .max_header_size(MAX_HEAD)
        // Old and simple clients close their side once they have asked, and still want the answer.
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let mut leaving = false;
    let ended = loop {
        tokio::select! {
            ended = connection.as_mut() => break ended,
            () = seat.lost() => return,
            () = shared.over(tls.as_ref()), if !leaving => {
                leaving = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a client's connection broke off");
    }
}

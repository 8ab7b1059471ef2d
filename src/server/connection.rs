//! One connection, from its first byte to its end.

use std::pin::pin;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tower::ServiceExt;

use super::crowd::Seat;
use super::pace::{Paced, Times};

/// The most bytes that a request line and headers may have; above it 431.
const MAX_HEAD: usize = 16 * 1024;

/// Answers requests until the peer, its pace, the crowd or `stop` ends it. A request that is being answered when
/// `stop` comes is answered; no further one is taken.
pub(super) async fn run<S>(stream: S, router: Router, times: Times, seat: Seat, mut stop: watch::Receiver<()>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (stream, begun) = Paced::new(stream, times);
    let service = service_fn(|request: Request<Incoming>| {
        begun.store(true, Ordering::Relaxed);
        seat.renew();
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
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = seat.lost() => return,
        _ = stop.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a client's connection broke off");
    }
}

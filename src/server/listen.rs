//! Accepting connections on every listener, and the clean stop.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep, timeout_at};

use super::connection::{self, Shared};
use super::crowd::Crowd;
use super::pace::Times;
use super::{App, Door, router};
use crate::telemetry;

/// Connections that leave at once when the system gives no further one: enough that a flood does not outrun them.
const MAKE_ROOM: usize = 16;

/// How the server treats its clients.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manners {
    pub(super) times: Times,
    /// Open connections, all listeners together.
    pub(super) connections: usize,
    /// How long requests in flight may take once the stop was asked for.
    pub(super) grace: Duration,
}

impl Default for Manners {
    fn default() -> Self {
        Manners {
            times: Times {
                head: Duration::from_secs(10),
                // Longer than Prometheus keeps an idle connection (5 min), so that it is the one who closes.
                idle: Duration::from_secs(330),
                // The longest scrape timeout that makes sense.
                answer: Duration::from_secs(60),
            },
            connections: most_connections(telemetry::max_open_files()),
            // The contract says 5 s for the whole stop.
            grace: Duration::from_millis(4_500),
        }
    }
}

/// At most half of the files that may be open, so that no crowd of clients keeps the exporter from its primaries.
fn most_connections(max_open_files: Option<usize>) -> usize {
    max_open_files.map_or(512, |files| (files / 2).clamp(8, 512))
}

/// Serves `app` on all `listeners` until `shutdown` completes; then takes no connection and no request any more,
/// answers what is in flight, and returns within 5 s.
pub async fn serve(listeners: Vec<TcpListener>, app: Arc<App>, shutdown: impl Future<Output = ()>) {
    let door = app.door.subscribe();
    serve_router(listeners, router(app), door, shutdown, Manners::default()).await;
}

pub(super) async fn serve_router(
    listeners: Vec<TcpListener>,
    router: Router,
    door: watch::Receiver<Arc<Door>>,
    shutdown: impl Future<Output = ()>,
    manners: Manners,
) {
    let (stopper, stop) = watch::channel(());
    let crowd = Crowd::new(manners.connections);
    let shared = Shared { router, door, times: manners.times, stop };
    let mut accepting = JoinSet::new();
    for listener in listeners {
        accepting.spawn(accept(listener, shared.clone(), Arc::clone(&crowd)));
    }
    drop(shared);
    shutdown.await;
    let deadline = Instant::now() + manners.grace;
    let _ = stopper.send(());
    let closed = timeout_at(deadline, async { while accepting.join_next().await.is_some() {} }).await;
    if closed.is_err() {
        tracing::warn!("stopped with connections still open: their clients did not take their answers in time");
    }
}

/// Accepts on one listener until `stop`, then waits for the connections that came in by it.
async fn accept(listener: TcpListener, shared: Shared, crowd: Arc<Crowd>) {
    let mut stop = shared.stop.clone();
    let mut connections = JoinSet::new();
    let mut next_warning = Instant::now();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(ended) = connections.join_next() => {
                report(ended);
                continue;
            }
            _ = stop.changed() => break,
        };
        match accepted {
            Ok((stream, address)) => {
                connections.spawn(connection::enter(prepared(stream), address, shared.clone(), crowd.enter()));
            }
            // The peer was gone before its turn came.
            Err(error) if is_about_the_peer(&error) => {}
            Err(error) => {
                let now = Instant::now();
                if now >= next_warning {
                    next_warning = now + Duration::from_secs(60);
                    tracing::warn!(%error, "accepting connections failed, trying on: closing the oldest connections");
                }
                // Most likely too many open files: make room and let it take effect.
                crowd.free_oldest(MAKE_ROOM);
                sleep(Duration::from_millis(5)).await;
            }
        }
    }
    drop((listener, shared));
    while let Some(ended) = connections.join_next().await {
        report(ended);
    }
}

/// An answer is two writes: without `TCP_NODELAY` the second waits for the peer's delayed acknowledgement (40 ms).
pub(super) fn prepared(stream: TcpStream) -> TcpStream {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "setting TCP_NODELAY failed");
    }
    stream
}

fn is_about_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!("a request handler panicked: its connection is closed, the others go on");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_get_half_of_the_files() {
        let cases = [(None, 512), (Some(usize::MAX), 512), (Some(1024), 512), (Some(256), 128), (Some(4), 8)];
        for (files, most) in cases {
            assert_eq!(most_connections(files), most, "{files:?}");
        }
    }
}

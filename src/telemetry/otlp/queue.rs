//! What holds ended spans until they are sent. It is bounded, and a receiver that is slow or dead costs nothing but the
//! spans: those that find no room, or that cannot be sent, are counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanExporter, SpanProcessor};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};
use tracing::{info, warn};

/// Spans that may wait; at about a kilobyte each, 2 MB. A poll has a handful, a first read some thousand.
const ROOM: usize = 2048;
/// Spans in one request.
const BATCH: usize = 512;
/// The longest that a span waits for others.
const DELAY: Duration = Duration::from_secs(5);

/// Takes ended spans in.
#[derive(Debug)]
pub(super) struct Queue {
    spans: mpsc::Sender<SpanData>,
    lost: Arc<AtomicU64>,
}

/// The other end.
pub(super) struct Outlet {
    spans: mpsc::Receiver<SpanData>,
    lost: Arc<AtomicU64>,
}

pub(super) fn queue() -> (Queue, Outlet) {
    let (sender, spans) = mpsc::channel(ROOM);
    let lost = Arc::new(AtomicU64::new(0));
    (Queue { spans: sender, lost: Arc::clone(&lost) }, Outlet { spans, lost })
}

impl SpanProcessor for Queue {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if self.spans.try_send(span).is_err() {
            self.lost.fetch_add(1, Relaxed);
        }
    }

    // What ends the queue is the task that empties it: nothing may block here.
    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

impl Outlet {
    /// Sends what comes until it is told to stop, then what is left. Says when spans begin to be lost, and when they no
    /// longer are. `server` names the receiver in the log.
    pub(super) async fn send(mut self, exporter: impl SpanExporter, server: String, mut stop: oneshot::Receiver<()>) {
        let (mut losing, mut total) = (false, 0_u64);
        loop {
            let mut batch = Vec::new();
            let stopped = tokio::select! {
                biased;
                _ = &mut stop => true,
                () = self.fill(&mut batch) => false,
            };
            if stopped {
                self.spans.close();
                self.spans.recv_many(&mut batch, ROOM).await;
            }
            let (count, mut error) = (u64::try_from(batch.len()).unwrap_or(u64::MAX), None);
            let mut lost = self.lost.swap(0, Relaxed);
            if count > 0
                && let Err(failed) = exporter.export(batch).await
            {
                lost = lost.saturating_add(count);
                error = Some(failed.to_string());
            }
            total = total.saturating_add(lost);
            match (losing, lost > 0) {
                (false, true) => {
                    let error = error.unwrap_or_else(|| "they come faster than they can be sent".to_owned());
                    warn!(server, error, "traces cannot be sent and are lost; polls go on without");
                }
                (true, false) if count > 0 => {
                    info!(server, spans_lost = total, "traces are sent again");
                    total = 0;
                }
                _ => {}
            }
            losing = lost > 0;
            if stopped {
                return;
            }
        }
    }

    /// Waits for a span, and then a while for others. Whatever it has taken when it is dropped is in `batch`.
    async fn fill(&mut self, batch: &mut Vec<SpanData>) {
        if self.spans.recv_many(batch, BATCH).await == 0 {
            // The provider is gone: nothing will ever come.
            return std::future::pending().await;
        }
        let until = Instant::now() + DELAY;
        while batch.len() < BATCH {
            let room = BATCH.saturating_sub(batch.len());
            if !matches!(timeout_at(until, self.spans.recv_many(batch, room)).await, Ok(1..)) {
                return;
            }
        }
    }
}

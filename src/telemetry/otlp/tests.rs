//! The layer beside the log, and the queue: what is lost, when, and what is said about it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use opentelemetry::trace::{Span as _, Tracer as _};
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::SpanData;
use tokio::time::{Instant, sleep};
use tracing_subscriber::layer::SubscriberExt;

use super::*;
use crate::reason::Reason;
use crate::telemetry::logging::LogFormat;
use crate::telemetry::logging::tests::{logged, logged_with};
use crate::trace;

/// When a batch came, and its spans.
type Batch = (Instant, Vec<SpanData>);

/// Keeps what it is given, unless it is ill.
#[derive(Debug, Clone, Default)]
struct Kept {
    batches: Arc<Mutex<Vec<Batch>>>,
    fails: Arc<AtomicBool>,
    hangs: Arc<AtomicBool>,
}

impl SpanExporter for Kept {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        if self.hangs.load(Relaxed) {
            std::future::pending().await
        }
        if self.fails.load(Relaxed) {
            return Err(OTelSdkError::InternalFailure("status 500".into()));
        }
        self.batches.lock().unwrap().push((Instant::now(), batch));
        Ok(())
    }
}

impl Kept {
    fn sizes(&self) -> Vec<usize> {
        self.batches.lock().unwrap().iter().map(|(_, batch)| batch.len()).collect()
    }

    fn spans(&self) -> Vec<SpanData> {
        self.batches.lock().unwrap().iter().flat_map(|(_, batch)| batch.clone()).collect()
    }
}

/// A tracer whose spans go through the queue, and what ends it.
fn queued(kept: &Kept) -> (SdkTracerProvider, Sending) {
    let (queue, outlet) = queue::queue();
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(outlet.send(kept.clone(), "http://receiver".into(), stopped));
    (SdkTracerProvider::builder().with_span_processor(queue).build(), Sending(Some((stop, task))))
}

fn end_spans(provider: &SdkTracerProvider, count: usize) {
    let tracer = provider.tracer("test");
    for _ in 0..count {
        tracer.start("span").end();
    }
}

#[tokio::test(start_paused = true)]
async fn spans_wait_for_others_but_not_long() {
    let kept = Kept::default();
    let (provider, sending) = queued(&kept);
    let began = Instant::now();
    end_spans(&provider, 3);
    sleep(Duration::from_secs(2)).await;
    assert!(kept.sizes().is_empty());
    end_spans(&provider, 1);
    sleep(Duration::from_secs(10)).await;
    assert_eq!(kept.sizes(), [4]);
    assert_eq!(kept.batches.lock().unwrap()[0].0 - began, Duration::from_secs(5));
    end_spans(&provider, 1100);
    tokio::task::yield_now().await;
    sleep(Duration::from_millis(1)).await;
    assert_eq!(kept.sizes(), [4, 512, 512], "a full batch does not wait");
    sending.stop().await;
    assert_eq!(kept.sizes(), [4, 512, 512, 76]);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_hangs_costs_spans_and_nothing_else() {
    let kept = Kept::default();
    kept.hangs.store(true, Relaxed);
    let (provider, sending) = queued(&kept);
    end_spans(&provider, 1);
    sleep(Duration::from_secs(60)).await;
    end_spans(&provider, 10_000);
    let began = Instant::now();
    sending.stop().await;
    assert_eq!(began.elapsed(), STOP_PATIENCE);
    assert!(kept.sizes().is_empty());
}

#[test]
fn what_is_lost_is_said_once_and_counted() {
    let lines = logged(LevelFilter::INFO, LogFormat::Logfmt, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let kept = Kept::default();
            let (provider, sending) = queued(&kept);
            kept.fails.store(true, Relaxed);
            for _ in 0..3 {
                end_spans(&provider, 2);
                sleep(Duration::from_secs(6)).await;
            }
            kept.fails.store(false, Relaxed);
            end_spans(&provider, 2);
            sleep(Duration::from_secs(6)).await;
            assert_eq!(kept.sizes(), [2]);
            // More at once than there is room for.
            end_spans(&provider, 3000);
            sleep(Duration::from_secs(6)).await;
            end_spans(&provider, 1);
            sending.stop().await;
        });
    });
    let told: Vec<&str> = lines.iter().map(|line| line.split_once("msg=").unwrap().1).collect();
    let expected = [
        "\"traces cannot be sent and are lost; polls go on without\" server=http://receiver \
         error=\"Operation failed: status 500\"",
        "\"traces are sent again\" server=http://receiver spans_lost=6",
        "\"traces cannot be sent and are lost; polls go on without\" server=http://receiver \
         error=\"they come faster than they can be sent\"",
        "\"traces are sent again\" server=http://receiver spans_lost=952",
    ];
    assert_eq!(told, expected);
}

/// What a poll with one request leaves behind.
async fn poll() {
    let poll = trace::Poll::start("paris", "jobs");
    let server = trace::Server::of(&"https://nbu:1556/netbackup".parse().unwrap());
    let work = async {
        tracing::info!("a line within");
        trace::Request::start("paris", &server, "GET", "/admin/jobs", Some(1)).succeeded(200, 7);
        drop(trace::Request::start("paris", &server, "GET", "/ping", None));
    };
    poll.around(Box::pin(work)).await;
    poll.failed(Reason::Decode);
    drop(trace::Poll::start("paris", "storage"));
    // Not part of a poll.
    trace::Request::start("paris", &server, "GET", "/ping", None).succeeded(200, 7);
}

#[test]
fn lines_are_the_same_with_traces_and_without() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    for (level, format) in [LevelFilter::INFO, LevelFilter::TRACE]
        .into_iter()
        .flat_map(|level| [(level, LogFormat::Logfmt), (level, LogFormat::Json)])
    {
        let traces = Traces::default();
        let kept = Kept::default();
        let lines = logged_with(level, format, &traces, || {
            runtime.block_on(async {
                poll().await;
                let sending = traces.clone().send_to(kept.clone(), 1.0, "http://receiver".into());
                poll().await;
                sending.stop().await;
            });
        });
        assert_eq!(lines.len(), 2, "{lines:?}");
        // Behind the time.
        let [silent, traced] = [&lines[0], &lines[1]].map(|line| line.split_once('Z').unwrap().1);
        assert_eq!(silent, traced);
        let spans = kept.spans();
        let names: Vec<&str> = spans.iter().map(|span| &*span.name).collect();
        assert_eq!(names, ["GET /admin/jobs", "GET /ping", "poll", "poll"]);
        let told = |span: &SpanData, key: &str| {
            let found = span.attributes.iter().find(|attribute| attribute.key.as_str() == key);
            found.map(|attribute| attribute.value.to_string())
        };
        assert_eq!(told(&spans[1], "error.type").as_deref(), Some("cancelled"));
        assert_eq!(told(&spans[2], "error.type").as_deref(), Some("decode"));
        assert_eq!(told(&spans[3], "error.type").as_deref(), Some("cancelled"));
        assert!(spans[..2].iter().all(|span| span.parent_span_id == spans[2].span_context.span_id()));
    }
}

#[test]
fn nothing_is_made_unless_somebody_listens() {
    let traces = Traces::default();
    let subscriber = tracing_subscriber::registry().with(traces.layer());
    tracing::subscriber::with_default(subscriber, || {
        assert!(!tracing::enabled!(target: TARGET, tracing::Level::INFO));
        assert!(tracing::info_span!(target: TARGET, "poll").is_disabled());
    });
}

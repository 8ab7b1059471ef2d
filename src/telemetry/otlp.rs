//! Sends the traces of polls (`trace`) by OTLP over HTTP. The layer that turns them into OpenTelemetry spans is part of
//! the subscriber from the beginning, but hears nothing until the configuration has named a receiver; nothing of
//! OpenTelemetry is global. The exporter runs on the runtime that polls: the SDK's own queue would need a thread and a
//! second, blocking HTTP client.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{Protocol, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider, SpanExporter};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Metadata, error, info, warn};
use tracing_opentelemetry::OpenTelemetryLayer;
use tracing_subscriber::layer::{Context, Filter};
use tracing_subscriber::{Layer, Registry};

use super::BUILD;
use crate::config::Telemetry;
use crate::trace::TARGET;

mod queue;

/// The longest that sending one batch may take, all its tries together.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest that a stop waits for the last batch.
const STOP_PATIENCE: Duration = Duration::from_secs(1);
/// Of a user agent as of a service: what this program is called.
const NAME: &str = env!("CARGO_PKG_NAME");

type Converter = OpenTelemetryLayer<Registry, SdkTracer>;

/// The place of the layer in the subscriber: empty, and so silent, until traces are wanted.
#[derive(Clone, Default)]
pub struct Traces(Arc<OnceLock<Converter>>);

/// Traces on their way.
pub struct Sending(Option<(oneshot::Sender<()>, JoinHandle<()>)>);

impl Traces {
    /// Begins to trace and to send where the configuration names a receiver. Must be called within the runtime. What
    /// cannot be set up is said, and nothing is traced then.
    #[must_use]
    pub fn start(self, telemetry: &Telemetry) -> Sending {
        let Some(endpoint) = &telemetry.otlp_endpoint else { return Sending(None) };
        let server = endpoint.origin().ascii_serialization();
        let exporter = match exporter(telemetry, endpoint) {
            Ok(exporter) => exporter,
            Err(error) => {
                error!(server, error = format!("{error:#}"), "cannot set up traces; nothing is traced");
                return Sending(None);
            }
        };
        info!(server, sample_ratio = telemetry.sample_ratio, "sending traces");
        self.send_to(exporter, telemetry.sample_ratio, server)
    }

    fn send_to(self, mut exporter: impl SpanExporter + 'static, sample_ratio: f64, server: String) -> Sending {
        // With what OTEL_RESOURCE_ATTRIBUTES adds.
        let version = KeyValue::new("service.version", BUILD.version);
        let resource = Resource::builder().with_service_name(NAME).with_attribute(version).build();
        exporter.set_resource(&resource);
        let (queue, outlet) = queue::queue();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(queue)
            // A trace is sampled whole: its requests follow what was decided for the poll.
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(sample_ratio))))
            .with_resource(resource)
            .build();
        let converter = OpenTelemetryLayer::new(provider.tracer(NAME))
            .with_location(false)
            .with_target(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            // Parents come from the spans of `tracing`; nothing else of the process sees a current trace.
            .with_context_activation(false);
        if self.0.set(converter).is_err() {
            warn!("traces were started twice; the first receiver stays");
            return Sending(None);
        }
        // Every place that was found uninteresting is asked about again.
        tracing::callsite::rebuild_interest_cache();
        let (stop, stopped) = oneshot::channel();
        Sending(Some((stop, tokio::spawn(outlet.send(exporter, server, stopped)))))
    }

    /// The layer for the subscriber.
    pub(super) fn layer(&self) -> impl Layer<Registry> + use<> {
        Late(self.clone()).with_filter(OnlyTraces(self.clone()))
    }

    fn wants(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_span() && metadata.target() == TARGET && self.0.get().is_some()
    }
}

impl Sending {
    /// Sends what is left, for a second at most.
    pub async fn stop(self) {
        let Some((stop, mut task)) = self.0 else { return };
        // The task is there until it is told.
        let _ = stop.send(());
        if tokio::time::timeout(STOP_PATIENCE, &mut task).await.is_err() {
            task.abort();
            warn!("the last traces could not be sent before the stop");
        }
    }
}

fn exporter(telemetry: &Telemetry, endpoint: &url::Url) -> anyhow::Result<opentelemetry_otlp::SpanExporter> {
    let mut headers = HeaderMap::new();
    for (name, value) in &telemetry.headers {
        let mut value = HeaderValue::from_str(value.expose())?;
        value.set_sensitive(true);
        headers.append(HeaderName::from_bytes(name.as_bytes())?, value);
    }
    let client = reqwest::Client::builder()
        .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
        .default_headers(headers)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .http1_only()
        .timeout(SEND_TIMEOUT)
        .pool_max_idle_per_host(1);
    // No root is ever asked for; loading the system's would fail on a machine that has none.
    let client = if endpoint.scheme() == "http" { client.tls_certs_only(std::iter::empty()) } else { client };
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_endpoint(endpoint.as_str())
        .with_protocol(Protocol::HttpBinary)
        .with_timeout(SEND_TIMEOUT)
        .with_http_client(client.build()?);
    Ok(exporter.build()?)
}

/// Hands on what the conversion needs to know, once there is one.
struct Late(Traces);

impl Layer<Registry> for Late {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, Registry>) {
        if let Some(converter) = self.0.0.get() {
            converter.on_new_span(attributes, id, context);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, Registry>) {
        if let Some(converter) = self.0.0.get() {
            converter.on_record(id, values, context);
        }
    }

    fn on_exit(&self, id: &Id, context: Context<'_, Registry>) {
        if let Some(converter) = self.0.0.get() {
            converter.on_exit(id, context);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, Registry>) {
        if let Some(converter) = self.0.0.get() {
            converter.on_close(id, context);
        }
    }
}

/// Lets through the spans of polls and their requests: no event, and nothing that a library says, least of all the one
/// that sends the traces.
struct OnlyTraces(Traces);

impl<S> Filter<S> for OnlyTraces {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        self.0.wants(metadata)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.0.wants(metadata) { Interest::always() } else { Interest::never() }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(if self.0.0.get().is_some() { LevelFilter::INFO } else { LevelFilter::OFF })
    }
}

#[cfg(test)]
mod tests;

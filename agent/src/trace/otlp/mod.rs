//! Traces to a collector, by OTLP over HTTP: any backend of OpenTelemetry takes them. One thread sends, in batches; where it falls
//! behind, spans are dropped and counted.

mod convert;
mod http;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use lorewell_model::{Error, Kind, Result, Secret};
use opentelemetry_otlp::{WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use tokio::sync::oneshot;
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::registry::LookupSpan;

use super::layer::{Record, Sink, layer};
use http::Client;

/// Spans that may wait to be sent, and those of one request: what the SDKs of OpenTelemetry have.
const SPANS_MAX: usize = 2048;
const BATCH_MAX: usize = 512;
/// How long a span waits for others.
const BATCH_WAIT: Duration = Duration::from_secs(1);
/// How long a request may take, unless the environment says otherwise; the specification has this.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Where a collector on this machine listens.
const ENDPOINT: &str = "http://localhost:4318";
/// What is put behind the address of a collector for traces.
const PATH: &str = "v1/traces";

/// Where traces are sent to.
///
/// ```
/// # fn main() -> lorewell_agent::Result<()> {
/// use lorewell_agent::trace::Otlp;
///
/// let exporter = Otlp::from_environment().build()?; // a collector on this machine, unless it says otherwise
/// let error = Otlp::from_environment().endpoint("http://collector.example/v1/traces").build().unwrap_err();
/// assert!(error.to_string().contains("not encrypted"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Otlp {
    endpoint: String,
    allow_plaintext: bool,
    timeout: Duration,
    /// Headers of the environment, so that what they hold is known as secret.
    secrets: Vec<Secret>,
}

impl Otlp {
    /// Takes what the environment says, by the names of the specification: `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` as it is, or else
    /// `OTEL_EXPORTER_OTLP_ENDPOINT` with `/v1/traces` behind it; `…_HEADERS`, `…_TIMEOUT` in milliseconds, `…_INSECURE`;
    /// `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES`.
    #[must_use]
    pub fn from_environment() -> Self {
        let base = set_in("OTEL_EXPORTER_OTLP_ENDPOINT").unwrap_or_else(|| ENDPOINT.to_owned());
        let endpoint = set_in("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
        let timeout = either("TIMEOUT").and_then(|ms| ms.trim().parse().ok()).map_or(TIMEOUT, Duration::from_millis);
        let headers = either("HEADERS").unwrap_or_default();
        let values = headers.split(',').filter_map(|header| header.split_once('='));
        // What is sent may have a word before it, such as `Bearer`, and be written with `%20` for the space.
        let secrets = values.flat_map(|(_, value)| [value, value.rsplit([' ', '+']).next().unwrap_or(value)]);
        let secrets = secrets.chain(headers.split("%20").skip(1).map(|rest| rest.split(',').next().unwrap_or(rest)));
        Self {
            endpoint: endpoint.unwrap_or_else(|| format!("{}/{PATH}", base.trim_end_matches('/'))),
            allow_plaintext: either("INSECURE").is_some_and(|insecure| insecure.eq_ignore_ascii_case("true")),
            timeout,
            secrets: secrets.map(Secret::from).collect(),
        }
    }

    /// Sets where they are sent to: the whole address, path and all.
    #[must_use]
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoint = url.into();
        self
    }

    /// Lets them be sent without encryption to another machine.
    #[must_use]
    pub fn allow_plaintext(mut self) -> Self {
        self.allow_plaintext = true;
        self
    }

    /// Sets how long a request may take.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Begins to send.
    ///
    /// # Errors
    /// `Config` if the address is none, or plaintext to another machine that was not allowed.
    pub fn build(self) -> Result<OtlpExporter> {
        let client = Client::new(&self.endpoint, self.allow_plaintext, self.timeout)?;
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_endpoint(&self.endpoint)
            .with_timeout(self.timeout)
            .build()
            .map_err(|error| Error::from_source(Kind::Config, error).context("preparing to send traces"))?;
        let (sender, jobs) = sync_channel(SPANS_MAX);
        let queue = Arc::new(Queue { sender, lost: AtomicU64::new(0) });
        let sending = Sending { exporter, queue: queue.clone(), fault: None };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name("lorewell-otlp".to_owned());
        let thread = Some(thread.spawn(move || sending.run(&runtime, &jobs))?);
        Ok(OtlpExporter(Arc::new(Handle { queue, thread, _secrets: self.secrets })))
    }
}

/// Sends traces. Clones are handles on the same thread; when the last one is dropped, all that has ended is sent.
#[derive(Clone)]
pub struct OtlpExporter(Arc<Handle>);

struct Handle {
    queue: Arc<Queue>,
    thread: Option<JoinHandle<()>>,
    _secrets: Vec<Secret>,
}

struct Queue {
    sender: SyncSender<Job>,
    lost: AtomicU64,
}

enum Job {
    Span(Box<SpanData>),
    Flush(oneshot::Sender<Result<()>>),
    Close,
}

impl OtlpExporter {
    /// Makes a layer for a subscriber, which sends the spans of Lorewell and leaves all else alone. It never waits for the network.
    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        layer(self.0.queue.clone())
    }

    /// Waits until all is sent that has ended.
    ///
    /// # Errors
    /// `Unavailable` with what went wrong since the last time; those spans are lost.
    pub async fn flush(&self) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        let queue = self.0.queue.clone();
        let sent = tokio::task::spawn_blocking(move || queue.sender.send(Job::Flush(reply)).is_ok()).await;
        match sent {
            Ok(true) => answer.await.unwrap_or_else(|_| Err(gone())),
            Ok(false) | Err(_) => Err(gone()),
        }
    }

    /// Returns how many spans were lost: they came too fast, or could not be sent.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.0.queue.lost.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for OtlpExporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OtlpExporter").field("lost", &self.lost()).finish_non_exhaustive()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.queue.sender.send(Job::Close).is_ok()
            && let Some(thread) = self.thread.take()
        {
            // A thread that panicked has dropped its replies, so whoever waited has heard of it.
            let _ = thread.join();
        }
    }
}

impl Sink for Queue {
    /// Collectors take spans that have ended.
    fn started(&self, _: &Record) {}

    fn ended(&self, record: Record) {
        if self.sender.try_send(Job::Span(Box::new(convert::span(record)))).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The thread that sends.
struct Sending {
    exporter: opentelemetry_otlp::SpanExporter,
    queue: Arc<Queue>,
    fault: Option<Error>,
}

impl Sending {
    fn run(mut self, runtime: &tokio::runtime::Runtime, jobs: &Receiver<Job>) {
        self.exporter.set_resource(&resource());
        loop {
            let (spans, then) = collect(jobs);
            runtime.block_on(self.send(spans));
            match then {
                None => {}
                // Nobody may be waiting any more.
                Some(Job::Flush(reply)) => drop(reply.send(self.fault.take().map_or(Ok(()), Err))),
                Some(Job::Span(_) | Job::Close) => return,
            }
        }
    }

    async fn send(&mut self, spans: Vec<SpanData>) {
        let count = spans.len();
        if count == 0 {
            return;
        }
        if let Err(error) = self.exporter.export(spans).await {
            let message = Secret::redact_all(&error.to_string()).into_owned();
            let error = Error::new(Kind::Unavailable, message).context("sending traces");
            tracing::warn!(%error, spans = count, "spans were not sent");
            self.queue.lost.fetch_add(count as u64, Ordering::Relaxed);
            self.fault = Some(error);
        }
    }
}

/// Waits for a first span, and then a moment for more. What is no span ends the wait, and is returned too.
fn collect(jobs: &Receiver<Job>) -> (Vec<SpanData>, Option<Job>) {
    let (mut spans, mut until) = (Vec::new(), None);
    while spans.len() < BATCH_MAX {
        let job = match until {
            None => jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(until) => jobs.recv_timeout(Instant::saturating_duration_since(&until, Instant::now())),
        };
        match job {
            Ok(Job::Span(span)) => {
                spans.push(*span);
                until = until.or_else(|| Instant::now().checked_add(BATCH_WAIT));
            }
            Ok(other) => return (spans, Some(other)),
            Err(RecvTimeoutError::Timeout) => break,
            Err(RecvTimeoutError::Disconnected) => return (spans, Some(Job::Close)),
        }
    }
    (spans, None)
}

/// What sends: what the environment says, or else a service called `lorewell`.
fn resource() -> Resource {
    let is_named = set_in("OTEL_SERVICE_NAME").is_some()
        || set_in("OTEL_RESOURCE_ATTRIBUTES").is_some_and(|attributes| attributes.contains("service.name="));
    match is_named {
        true => Resource::builder().build(),
        false => Resource::builder().with_service_name("lorewell").build(),
    }
}

/// The variable for traces, or else the one for all signals.
fn either(name: &str) -> Option<String> {
    set_in(&format!("OTEL_EXPORTER_OTLP_TRACES_{name}")).or_else(|| set_in(&format!("OTEL_EXPORTER_OTLP_{name}")))
}

fn set_in(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|value| !value.trim().is_empty())
}

fn gone() -> Error {
    Error::new(Kind::Internal, "the thread that sends traces has stopped; build another exporter")
}

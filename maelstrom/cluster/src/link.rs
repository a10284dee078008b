//! The connection to NATS.
//!
//! While it is away, what is sent is lost: nobody waits for it, and what has to be known is told
//! again. TLS and credentials are as NATS' own command has them, in its environment.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::Context as _;
use async_nats::client::Client;
use async_nats::message::OutboundMessage;
use async_nats::{ConnectOptions, Event, Subscriber};
use futures_util::Sink as _;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// How many messages may wait for whoever subscribed.
const CAPACITY: usize = 1 << 20;
/// The longest pause between two attempts to connect again.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

pub(crate) struct Link {
    client: Client,
    events: mpsc::UnboundedReceiver<Event>,
    away_since: Option<Instant>,
    queue: VecDeque<OutboundMessage>,
}

/// What happened to the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outage {
    /// It was away for so long.
    Away(Duration),
    /// More came than could be taken.
    Overflow,
}

/// A message that the server does not take.
#[derive(Debug, thiserror::Error)]
#[error(
    "a message of {length} bytes is too long for this NATS server, which takes at most {most}: \
     raise max_payload in its configuration"
)]
pub(crate) struct TooLong {
    length: usize,
    most: usize,
}

impl Link {
    pub(crate) async fn connect(url: &str, name: &str) -> anyhow::Result<Self> {
        let (sender, events) = mpsc::unbounded_channel();
        let options = credentials(ConnectOptions::new()).await?;
        let client = options
            .name(name)
            .subscription_capacity(CAPACITY)
            .reconnect_delay_callback(|attempts| {
                LONGEST_PAUSE.min(Duration::from_millis(50) * u32::try_from(attempts).unwrap_or(99))
            })
            .event_callback(move |event| {
                let _ = sender.send(event);
                async {}
            })
            .connect(url)
            .await
            .with_context(|| {
                format!("cannot connect to NATS at {url}: does nats-server run there?")
            })?;
        Ok(Self { client, events, away_since: None, queue: VecDeque::new() })
    }

    pub(crate) async fn subscribe(&self, subject: String) -> anyhow::Result<Subscriber> {
        self.client
            .subscribe(subject.clone())
            .await
            .with_context(|| format!("cannot hear {subject}"))
    }

    /// Asks everybody for an answer, who sends it to the subscriber.
    pub(crate) async fn ask_all(&self, subject: &'static str) -> anyhow::Result<Subscriber> {
        let inbox = self.client.new_inbox();
        let answers = self.subscribe(inbox.clone()).await?;
        let nothing = bytes::Bytes::new();
        self.client
            .publish_with_reply(subject, inbox, nothing)
            .await
            .context("cannot ask agents")?;
        Ok(answers)
    }

    /// Sends a message, if the connection is there.
    pub(crate) fn send(&mut self, subject: String, payload: Vec<u8>) -> Result<(), TooLong> {
        let (length, most) = (payload.len(), self.client.max_payload());
        if length > most {
            return Err(TooLong { length, most });
        }
        if self.away_since.is_none() {
            let (subject, payload) = (subject.into(), payload.into());
            self.queue.push_back(OutboundMessage { subject, reply: None, payload, headers: None });
        }
        Ok(())
    }

    /// Hands over what is to be sent, as far as that is possible now.
    pub(crate) fn poll_send(&mut self, cx: &mut Context<'_>) {
        let mut client = Pin::new(&mut self.client);
        while !self.queue.is_empty() && client.as_mut().poll_ready(cx).is_ready() {
            if let Some(message) = self.queue.pop_front() {
                // Its length was looked at.
                let _ = client.as_mut().start_send(message);
            }
        }
    }

    /// Waits until all was handed to the server.
    pub(crate) async fn flush(&mut self) {
        std::future::poll_fn(|cx| {
            self.poll_send(cx);
            if self.queue.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        let _ = self.client.flush().await;
    }

    pub(crate) fn is_away(&self) -> bool {
        self.away_since.is_some()
    }

    /// Ready when messages were lost.
    pub(crate) fn poll_outage(&mut self, cx: &mut Context<'_>) -> Poll<Outage> {
        while let Poll::Ready(Some(event)) = self.events.poll_recv(cx) {
            match event {
                Event::Disconnected => {
                    self.queue.clear();
                    self.away_since.get_or_insert_with(Instant::now);
                }
                Event::Connected => {
                    if let Some(since) = self.away_since.take() {
                        return Poll::Ready(Outage::Away(since.elapsed()));
                    }
                }
                Event::SlowConsumer(_) => return Poll::Ready(Outage::Overflow),
                _ => {}
            }
        }
        Poll::Pending
    }
}

/// What NATS' own command would take: of the environment, or else of the context that
/// `NATS_CONTEXT` names.
struct Surroundings {
    context: serde_json::Map<String, serde_json::Value>,
}

impl Surroundings {
    fn new() -> anyhow::Result<Self> {
        let Some(name) = variable("NATS_CONTEXT") else {
            return Ok(Self { context: serde_json::Map::new() });
        };
        let home = || variable("HOME").map(|home| PathBuf::from(home).join(".config"));
        let folder = variable("XDG_CONFIG_HOME").map(PathBuf::from).or_else(home);
        let folder = folder.unwrap_or_default().join("nats/context");
        let path = folder.join(format!("{name}.json"));
        let text = std::fs::read(&path).map_err(anyhow::Error::from);
        let context = text.and_then(|text| Ok(serde_json::from_slice(&text)?));
        let context =
            context.with_context(|| format!("cannot read NATS_CONTEXT, {}", path.display()))?;
        Ok(Self { context })
    }

    /// Of `NATS_USER` or the context's `user`, for instance.
    fn get(&self, name: &str) -> Option<String> {
        let field = name.strip_prefix("NATS_").unwrap_or(name).to_lowercase();
        let told = || self.context.get(&field)?.as_str().map(str::to_owned);
        variable(name).or_else(told).filter(|value| !value.is_empty())
    }

    /// Where NATS is.
    fn url(&self) -> String {
        self.get("NATS_URL").unwrap_or_else(|| "nats://127.0.0.1:4222".to_owned())
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Where NATS is, if nobody said it.
pub(crate) fn address(given: Option<String>) -> anyhow::Result<String> {
    given.map_or_else(|| Ok(Surroundings::new()?.url()), Ok)
}

/// Who we are, as the environment or a context says it: `NATS_CREDS`, `NATS_USER` and `NATS_PASSWORD`,
/// `NATS_TOKEN`, `NATS_NKEY`; and for TLS `NATS_CA`, `NATS_CERT` and `NATS_KEY`.
async fn credentials(mut options: ConnectOptions) -> anyhow::Result<ConnectOptions> {
    let surroundings = Surroundings::new()?;
    let text = |name: &str| surroundings.get(name);
    let file = |name: &str| text(name).map(PathBuf::from);
    if let Some(path) = file("NATS_CREDS") {
        let read = options.credentials_file(&path).await;
        options = read.with_context(|| format!("cannot read NATS_CREDS, {}", path.display()))?;
    }
    if let (Some(user), Some(password)) = (text("NATS_USER"), text("NATS_PASSWORD")) {
        options = options.user_and_password(user, password);
    }
    if let Some(token) = text("NATS_TOKEN") {
        options = options.token(token);
    }
    if let Some(path) = file("NATS_NKEY") {
        let seed = std::fs::read_to_string(&path);
        let seed = seed.with_context(|| format!("cannot read NATS_NKEY, {}", path.display()))?;
        options = options.nkey(seed.trim().to_owned());
    }
    if let Some(path) = file("NATS_CA") {
        options = options.add_root_certificates(path);
    }
    if let (Some(cert), Some(key)) = (file("NATS_CERT"), file("NATS_KEY")) {
        options = options.add_client_certificate(cert, key);
    }
    Ok(options)
}

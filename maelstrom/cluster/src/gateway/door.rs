//! HTTP: who may ask, and what is answered.
//!
//! | | |
//! | --- | --- |
//! | `POST /n0` | the body of a request to node `n0`; the answer is the body of its reply |
//! | `GET /n0`, as a WebSocket | bodies, each way: see [`socket`](super::socket) |
//! | `GET /health` | 200 if NATS and at least one node are there, else 503; and what is missing |
//! | `GET /metrics` | what Prometheus reads |
//!
//! Without a token whoever can reach this machine's own address may ask, but not the pages of
//! others that a browser here shows: the request has to name this machine as its host, and
//! nothing else as its origin.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use maelstrom::Error;
use maelstrom::protocol::{Definite, Indefinite};
use serde_json::json;
use serde_json::value::RawValue;
use simulator::Address;
use subtle::ConstantTimeEq as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::time::Instant;

use super::exchange::{self, Reply};
use super::hub::{Ask, Health};
use super::metrics::Metrics;
use super::socket;

/// Whether the request was done: `done`, `not-done` or `unknown`.
const OUTCOME: HeaderName = HeaderName::from_static("maelstrom-outcome");

/// What a gateway allows.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    /// Who asks has to show it.
    pub(super) token: Option<String>,
    /// How long a node may take for a reply, and a client for a request.
    pub(super) timeout: Duration,
    /// How many requests may wait at a time.
    pub(super) waiting: usize,
    /// How long the body of a request may be, in bytes.
    pub(super) body: usize,
}

pub(super) struct Door {
    pub(super) limits: Limits,
    node_count: usize,
    requests: mpsc::Sender<Ask>,
    /// A permit for each request that may wait.
    free: Arc<Semaphore>,
    health: watch::Receiver<Health>,
    pub(super) metrics: Arc<Metrics>,
    /// Whether the gateway is to end.
    pub(super) ended: watch::Receiver<bool>,
}

/// A connection of a client; the gateway ends after the last of them.
pub(super) type Connection = Arc<OwnedSemaphorePermit>;

/// Why somebody is not let in.
type Refusal = (StatusCode, &'static str);

impl Door {
    pub(super) fn new(
        limits: Limits,
        node_count: usize,
        requests: mpsc::Sender<Ask>,
        health: watch::Receiver<Health>,
        metrics: Arc<Metrics>,
        ended: watch::Receiver<bool>,
    ) -> Self {
        let free = Arc::new(Semaphore::new(limits.waiting));
        Self { limits, node_count, requests, free, health, metrics, ended }
    }

    pub(super) async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        connection: Connection,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let answer = match check(&request, self.limits.token.as_deref()) {
            Ok(()) => self.route(request, connection).await,
            Err(refusal) => Err(refusal),
        };
        let mut response = answer.unwrap_or_else(|(status, text)| {
            respond(status, "text/plain; charset=utf-8", format!("{text}\n"))
        });
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if response.status() == StatusCode::UNAUTHORIZED {
            let bearer = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
        }
        Ok(response)
    }

    async fn route(
        self: Arc<Self>,
        request: Request<Incoming>,
        connection: Connection,
    ) -> Result<Response<Full<Bytes>>, Refusal> {
        let path = request.uri().path().to_owned();
        let is_read = [Method::GET, Method::HEAD].contains(request.method());
        match path.as_str() {
            "/health" if is_read => Ok(self.health()),
            "/metrics" if is_read => {
                let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
                Ok(respond(StatusCode::OK, kind, self.metrics.text()))
            }
            "/health" | "/metrics" => Err((StatusCode::METHOD_NOT_ALLOWED, "It can only be read.")),
            path => {
                let node = path.trim_start_matches('/').to_owned();
                if *request.method() == Method::POST {
                    Ok(self.post(&node, request).await)
                } else if is_read && request.headers().contains_key(header::UPGRADE) {
                    socket::accept(self, node, request, connection)
                } else {
                    let text = "POST a body to a node, as in /n0, or connect to it as a WebSocket; \
                                GET /health and /metrics.";
                    Err((StatusCode::METHOD_NOT_ALLOWED, text))
                }
            }
        }
    }

    fn health(&self) -> Response<Full<Bytes>> {
        let health = self.health.borrow().clone();
        let mut ready = health.nodes.values().map(|&stage| stage == "ready");
        let is_up = health.nats && ready.clone().any(|is_ready| is_ready);
        let is_whole = health.nats
            && ready.all(|is_ready| is_ready)
            && health.agents.values().all(|agent| agent.is_there && agent.etcd.is_none());
        let status = match (is_up, is_whole) {
            (false, _) => "down",
            (true, false) => "degraded",
            (true, true) => "ok",
        };
        let text = json!({"status": status, "nats": health.nats, "nodes": health.nodes,
                          "agents": health.agents});
        let code = if is_up { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        respond(code, "application/json", text.to_string())
    }

    async fn post(&self, node: &str, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let began = Instant::now();
        let body = Limited::new(request.into_body(), self.limits.body).collect();
        let (status, error) = match tokio::time::timeout(self.limits.timeout, body).await {
            Ok(Ok(body)) => {
                let (reply, _permit) = self.ask(node, &body.to_bytes()).await;
                return reply_with(reply.status(), reply);
            }
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                (Some(StatusCode::PAYLOAD_TOO_LARGE), self.too_long())
            }
            Ok(Err(error)) => (None, Error::malformed(error)),
            Err(_) => (None, Error::malformed("the request did not come to its end")),
        };
        let reply = self.ended(node, "other", Reply::new(Err(error), None), began);
        reply_with(status.unwrap_or(reply.status()), reply)
    }

    /// Counts a request that came to its end.
    fn ended(&self, node: &str, kind: &str, reply: Reply, began: Instant) -> Reply {
        let known = self.node(node).map_or("none", |_| node);
        let outcome = reply.code.map_or("ok", |code| code.name());
        self.metrics.ended(known, kind, outcome, began.elapsed());
        reply
    }

    pub(super) fn too_long(&self) -> Error {
        Error::malformed(format!("a request has at most {} bytes here", self.limits.body))
    }

    /// Asks a node. The permit is to be kept until the reply is on its way.
    pub(super) async fn ask(
        &self,
        node: &str,
        body: &[u8],
    ) -> (Reply, Option<OwnedSemaphorePermit>) {
        let began = Instant::now();
        let (kind, msg_id, said, permit) = match exchange::Request::parse(body) {
            Err(error) => ("other".to_owned(), None, Err(error), None),
            Ok(request) => {
                let exchange::Request { kind, fields, msg_id } = request;
                match self.permit() {
                    Err(error) => (kind, msg_id, Err(error), None),
                    Ok(permit) => (kind, msg_id, self.pass(node, fields).await, Some(permit)),
                }
            }
        };
        let reply = Reply::new(said.as_deref().map_err(Clone::clone), msg_id);
        (self.ended(node, &kind, reply, began), permit)
    }

    fn permit(&self) -> Result<OwnedSemaphorePermit, Error> {
        if *self.ended.borrow() {
            return Err(Error::unavailable("the gateway ends"));
        }
        self.free.clone().try_acquire_owned().map_err(|_| {
            Error::unavailable(format!("{} requests wait already", self.limits.waiting))
        })
    }

    fn node(&self, name: &str) -> Option<usize> {
        match Address::parse(name) {
            Some(Address::Node(node)) if node < self.node_count => Some(node),
            _ => None,
        }
    }

    /// Passes a request on, and waits for the reply.
    async fn pass(&self, name: &str, fields: exchange::Fields) -> Result<Box<RawValue>, Error> {
        let node = self.node(name).ok_or_else(|| {
            let text = format!("there is no node {name}: they are n0 to n{}", self.node_count - 1);
            Error::new(Definite::NodeNotFound, text)
        })?;
        let (reply, replied) = oneshot::channel();
        let _waiting = Waiting::new(&self.metrics);
        if self.requests.try_send(Ask { node, fields, reply }).is_err() {
            return Err(Error::unavailable("the gateway does not keep up"));
        }
        match tokio::time::timeout(self.limits.timeout, replied).await {
            Ok(Ok(said)) => said,
            Ok(Err(_)) => Err(Error::crash("the gateway ended")),
            Err(_) => {
                let text = format!("no reply within {} s", self.limits.timeout.as_secs_f64());
                Err(Error::new(Indefinite::Timeout, text))
            }
        }
    }
}

/// A request that waits, for as long as this is there.
struct Waiting<'a>(&'a Metrics);

impl<'a> Waiting<'a> {
    fn new(metrics: &'a Metrics) -> Self {
        metrics.waiting.inc();
        Self(metrics)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.dec();
    }
}

fn reply_with(status: StatusCode, reply: Reply) -> Response<Full<Bytes>> {
    let outcome = HeaderValue::from_static(reply.outcome());
    let mut response = respond(status, "application/json", reply.text);
    response.headers_mut().insert(OUTCOME, outcome);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

fn respond(status: StatusCode, kind: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// Whether who asks may.
fn check<T>(request: &Request<T>, token: Option<&str>) -> Result<(), Refusal> {
    let headers = request.headers();
    if let Some(token) = token {
        let shown = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
        let shown = shown.and_then(|shown| shown.strip_prefix(b"Bearer ")).unwrap_or_default();
        let is_it: bool = shown.ct_eq(token.as_bytes()).into();
        let text = "A token is needed: Authorization: Bearer TOKEN.";
        return is_it.then_some(()).ok_or((StatusCode::UNAUTHORIZED, text));
    }
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Err((StatusCode::BAD_REQUEST, "A request names one host."));
    };
    let host = host.to_str().unwrap_or_default();
    if !is_local(host) || request.uri().authority().is_some_and(|named| named.as_str() != host) {
        let text = "Without a token, this is for this machine alone, as 127.0.0.1 or localhost.";
        return Err((StatusCode::MISDIRECTED_REQUEST, text));
    }
    let own = format!("http://{host}");
    match headers.get_all(header::ORIGIN).iter().all(|origin| origin.as_bytes() == own.as_bytes()) {
        true => Ok(()),
        false => Err((StatusCode::FORBIDDEN, "Without a token, this is not for web pages.")),
    }
}

/// Whether a host is this machine by a name that nobody else can give it.
fn is_local(host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, port),
        _ => (host, "80"),
    };
    let is_own =
        ["127.0.0.1", "localhost", "[::1]"].iter().any(|own| name.eq_ignore_ascii_case(own));
    is_own && port.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(headers: &[(&str, &str)], token: Option<&str>) -> StatusCode {
        let mut request = Request::post("/n0");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let checked = check(&request.body(()).unwrap(), token);
        checked.map_or_else(|(status, _)| status, |()| StatusCode::OK)
    }

    #[test]
    fn without_a_token_only_this_machine_may_ask_and_no_page_of_others() {
        for host in ["127.0.0.1:8080", "localhost", "LocalHost:1", "[::1]:8080", "[::1]"] {
            assert_eq!(checked(&[("host", host)], None), StatusCode::OK, "{host}");
            let own = format!("http://{host}");
            assert_eq!(checked(&[("host", host), ("origin", &own)], None), StatusCode::OK);
        }
        for host in ["evil.example", "127.0.0.1.evil.example", "localhost:x", "0.0.0.0", "", "::1"]
        {
            assert_eq!(checked(&[("host", host)], None), StatusCode::MISDIRECTED_REQUEST, "{host}");
        }
        for origin in ["http://evil.example", "null", "http://localhost:3000", "https://localhost"]
        {
            let headers = [("host", "localhost"), ("origin", origin)];
            assert_eq!(checked(&headers, None), StatusCode::FORBIDDEN, "{origin}");
        }
        assert_eq!(checked(&[], None), StatusCode::BAD_REQUEST);
        let two = [("host", "localhost"), ("host", "localhost")];
        assert_eq!(checked(&two, None), StatusCode::BAD_REQUEST);
    }

    #[test]
    fn with_a_token_whoever_shows_it_may_ask_and_nobody_else() {
        let token = Some("correct horse battery");
        let shown =
            |text: &str| checked(&[("host", "any.example"), ("authorization", text)], token);
        assert_eq!(shown("Bearer correct horse battery"), StatusCode::OK);
        for wrong in
            ["Bearer correct horse batterz", "Bearer correct horse", "Bearer ", "Basic x", ""]
        {
            assert_eq!(shown(wrong), StatusCode::UNAUTHORIZED, "{wrong}");
        }
        assert_eq!(checked(&[("host", "localhost")], token), StatusCode::UNAUTHORIZED);
    }
}

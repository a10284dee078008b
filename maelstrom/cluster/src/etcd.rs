//! A client of etcd, by its JSON gateway.
//!
//! Nothing is asked twice here: whether a request that brought no answer was carried out is
//! not known, and only whoever made it knows whether that matters.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use serde_json::{Value, json};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The request was never sent, so it did not happen.
    #[error("etcd cannot be reached: {0}")]
    NotSent(String),
    /// It may have happened, or may happen yet.
    #[error("etcd did not say what became of the request: {0}")]
    Unknown(String),
}

pub(crate) struct Etcd {
    client: Client<HttpConnector, Full<Bytes>>,
    endpoints: Vec<Uri>,
    /// The one that is asked next.
    turn: AtomicUsize,
}

/// A key's value, and the revision that wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) value: Vec<u8>,
    pub(crate) revision: u64,
}

/// What a read found.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) entry: Option<Entry>,
    /// The store's revision when it was read.
    pub(crate) revision: u64,
}

#[derive(Deserialize)]
struct Answer {
    header: Header,
    #[serde(default)]
    kvs: Vec<KeyValue>,
    #[serde(default)]
    succeeded: bool,
}

#[derive(Deserialize)]
struct Header {
    revision: String,
}

#[derive(Deserialize)]
struct KeyValue {
    #[serde(default)]
    value: String,
    mod_revision: String,
}

impl Etcd {
    /// One of these servers of a cluster: `http://127.0.0.1:2379`.
    pub(crate) fn new(endpoints: &[String]) -> anyhow::Result<Self> {
        let parse = |text: &String| {
            let uri: Uri = text.trim_end_matches('/').parse()?;
            anyhow::ensure!(
                uri.scheme_str() == Some("http") && uri.authority().is_some(),
                "{text}: etcd is at http://HOST:PORT"
            );
            Ok(uri)
        };
        let endpoints = endpoints.iter().map(parse).collect::<anyhow::Result<Vec<_>>>()?;
        let client =
            Client::builder(TokioExecutor::new()).retry_canceled_requests(false).build_http();
        Ok(Self { client, endpoints, turn: AtomicUsize::new(0) })
    }

    /// The value of a key, the newest of all; or, `serializable`, the newest that the server
    /// which is asked knows of.
    pub(crate) async fn get(&self, key: &str, serializable: bool) -> Result<Found, Failure> {
        let body = json!({"key": BASE64.encode(key), "serializable": serializable});
        let answer = self.ask("/v3/kv/range", &body).await?;
        let entry = answer.kvs.into_iter().next().map(entry).transpose()?;
        Ok(Found { entry, revision: number(&answer.header.revision)? })
    }

    /// Writes a key whatever it is. Returns the revision that wrote it.
    pub(crate) async fn put(&self, key: &str, value: &[u8]) -> Result<u64, Failure> {
        let body = json!({"key": BASE64.encode(key), "value": BASE64.encode(value)});
        number(&self.ask("/v3/kv/put", &body).await?.header.revision)
    }

    /// Writes a key that was last written at this revision, or was not, at 0. Returns the
    /// revision that wrote it; none if the key is another by now.
    pub(crate) async fn replace(
        &self,
        key: &str,
        revision: u64,
        value: &[u8],
    ) -> Result<Option<u64>, Failure> {
        let key = BASE64.encode(key);
        let body = json!({
            "compare": [{"key": key, "target": "MOD", "result": "EQUAL",
                         "mod_revision": revision.to_string()}],
            "success": [{"request_put": {"key": key, "value": BASE64.encode(value)}}],
        });
        let answer = self.ask("/v3/kv/txn", &body).await?;
        let revision = number(&answer.header.revision)?;
        Ok(answer.succeeded.then_some(revision))
    }

    /// Deletes all keys that begin like this.
    pub(crate) async fn delete_all(&self, beginning: &str) -> Result<(), Failure> {
        let mut end = beginning.as_bytes().to_vec();
        if let Some(last) = end.last_mut() {
            *last += 1;
        }
        let body = json!({"key": BASE64.encode(beginning), "range_end": BASE64.encode(end)});
        self.ask("/v3/kv/deleterange", &body).await.map(drop)
    }

    /// Leaves a server for the next one, which may be better off.
    pub(crate) fn turn_to_next(&self) {
        self.turn.fetch_add(1, Ordering::Relaxed);
    }

    async fn ask(&self, path: &str, body: &Value) -> Result<Answer, Failure> {
        match tokio::time::timeout(PATIENCE, self.send(path, body)).await {
            Ok(result) => result,
            Err(_) => {
                self.turn_to_next();
                Err(Failure::Unknown(format!("no answer within {} s", PATIENCE.as_secs())))
            }
        }
    }

    async fn send(&self, path: &str, body: &Value) -> Result<Answer, Failure> {
        let turn = self.turn.load(Ordering::Relaxed);
        let endpoint = &self.endpoints[turn % self.endpoints.len()];
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("{}{path}", endpoint.to_string().trim_end_matches('/')))
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body.to_string())))
            .map_err(|error| Failure::NotSent(error.to_string()))?;
        let response = self.client.request(request).await.map_err(|error| {
            self.turn_to_next();
            match error.is_connect() {
                true => Failure::NotSent(format!("{endpoint}: {error}")),
                false => Failure::Unknown(error.to_string()),
            }
        })?;
        let unknown = |error: hyper::Error| Failure::Unknown(error.to_string());
        let status = response.status();
        let body = response.into_body().collect().await.map_err(unknown)?.to_bytes();
        if status != StatusCode::OK {
            let text = String::from_utf8_lossy(&body).into_owned();
            return Err(Failure::Unknown(format!("{status}: {text}")));
        }
        serde_json::from_slice(&body).map_err(|error| Failure::Unknown(error.to_string()))
    }
}

fn entry(of: KeyValue) -> Result<Entry, Failure> {
    let value = BASE64.decode(of.value).map_err(|error| Failure::Unknown(error.to_string()))?;
    Ok(Entry { value, revision: number(&of.mod_revision)? })
}

/// 64-bit integers are strings in JSON.
fn number(text: &str) -> Result<u64, Failure> {
    text.parse().map_err(|_| Failure::Unknown(format!("{text:?} is no revision")))
}

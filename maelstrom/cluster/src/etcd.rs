//! A client of etcd, by its JSON gateway.
//!
//! Who we are, and certificates, come from the environment, by the names that etcd's own command
//! has for them.
//!
//! Nothing is asked twice here: whether a request that brought no answer was carried out is
//! not known, and only whoever made it knows whether that matters.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The request was never sent, so it did not happen.
    #[error("etcd cannot be reached: {0}")]
    NotSent(String),
    /// The request was refused to whoever we are, so it did not happen.
    #[error("etcd does not let us: {0}")]
    Refused(String),
    /// It may have happened, or may happen yet.
    #[error("etcd did not say what became of the request: {0}")]
    Unknown(String),
}

pub(crate) struct Etcd {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    endpoints: Vec<Uri>,
    /// The one that is asked next.
    turn: AtomicUsize,
    user: Option<User>,
    /// Shows who we are, until it expires.
    token: Mutex<Option<String>>,
}

/// Where etcd is, and who we are there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Access {
    /// Such as `http://127.0.0.1:2379`; none, if there is no etcd.
    pub(crate) endpoints: Vec<String>,
    /// Files: of who signed the servers' certificates, and of our own certificate and its key.
    pub(crate) authorities: Option<PathBuf>,
    pub(crate) certificate: Option<(PathBuf, PathBuf)>,
    pub(crate) user: Option<User>,
}

#[derive(Clone)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) password: String,
}

impl fmt::Debug for User {
    /// Passwords are not for logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Access {
    /// These servers, or those of `ETCDCTL_ENDPOINTS`; with `ETCDCTL_CACERT`, `ETCDCTL_CERT`
    /// and `ETCDCTL_KEY`, `ETCDCTL_USER` and `ETCDCTL_PASSWORD`.
    pub(crate) fn from_env(mut endpoints: Vec<String>) -> anyhow::Result<Self> {
        let text = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        if let Some(all) = text("ETCDCTL_ENDPOINTS").filter(|_| endpoints.is_empty()) {
            endpoints.extend(all.split(',').map(|one| one.trim().to_owned()));
        }
        let certificate = match (text("ETCDCTL_CERT"), text("ETCDCTL_KEY")) {
            (Some(certificate), Some(key)) => Some((certificate.into(), key.into())),
            (None, None) => None,
            _ => bail!("ETCDCTL_CERT and ETCDCTL_KEY belong together"),
        };
        let user = text("ETCDCTL_USER").map(|user| {
            let (name, password) = match (user.split_once(':'), text("ETCDCTL_PASSWORD")) {
                (_, Some(password)) => (user.as_str(), password),
                (Some((name, password)), None) => (name, password.to_owned()),
                (None, None) => bail!("ETCDCTL_USER has no password: NAME:PASSWORD"),
            };
            Ok(User { name: name.to_owned(), password })
        });
        let authorities = text("ETCDCTL_CACERT").map(PathBuf::from);
        Ok(Self { endpoints, authorities, certificate, user: user.transpose()? })
    }

    fn tls(&self) -> anyhow::Result<ClientConfig> {
        let config = builder()?;
        let config = match &self.authorities {
            None => config.with_native_roots()?,
            Some(path) => {
                let mut roots = RootCertStore::empty();
                for one in certificates(path)? {
                    roots.add(one)?;
                }
                config.with_root_certificates(roots)
            }
        };
        Ok(match &self.certificate {
            None => config.with_no_client_auth(),
            Some((path, key)) => {
                let read = PrivateKeyDer::from_pem_file(key);
                let key = read.with_context(|| format!("cannot read {}", key.display()))?;
                config.with_client_auth_cert(certificates(path)?, key)?
            }
        })
    }
}

fn builder() -> anyhow::Result<ConfigBuilder<ClientConfig, WantsVerifier>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?)
}

fn certificates(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    read.with_context(|| format!("cannot read {}", path.display()))
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
    #[serde(default)]
    token: String,
}

/// An answer of a stream.
#[derive(Deserialize)]
struct Kept {
    result: Lease,
}

#[derive(Deserialize)]
struct Lease {
    /// In seconds; none, if there is no such lease any more.
    #[serde(rename = "TTL", default)]
    ttl: String,
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
    /// One of these servers of a cluster.
    pub(crate) fn new(access: &Access) -> anyhow::Result<Self> {
        let parse = |text: &String| {
            let uri: Uri = text.trim_end_matches('/').parse()?;
            anyhow::ensure!(
                matches!(uri.scheme_str(), Some("http" | "https")) && uri.authority().is_some(),
                "{text}: etcd is at http://HOST:PORT or https://HOST:PORT"
            );
            Ok(uri)
        };
        let endpoints = access.endpoints.iter().map(parse).collect::<anyhow::Result<Vec<_>>>()?;
        let is_secret = endpoints.iter().any(|uri: &Uri| uri.scheme_str() == Some("https"));
        let tls = match is_secret {
            true => access.tls()?,
            // It is not used.
            false => {
                builder()?.with_root_certificates(RootCertStore::empty()).with_no_client_auth()
            }
        };
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls);
        let connector = connector.https_or_http().enable_http1().build();
        let client =
            Client::builder(TokioExecutor::new()).retry_canceled_requests(false).build(connector);
        let (turn, user, token) = (AtomicUsize::new(0), access.user.clone(), Mutex::default());
        Ok(Self { client, endpoints, turn, user, token })
    }

    /// The value of a key, the newest of all; or, `serializable`, the newest that the server
    /// which is asked knows of.
    pub(crate) async fn get(&self, key: &str, serializable: bool) -> Result<Found, Failure> {
        let body = json!({"key": BASE64.encode(key), "serializable": serializable});
        let answer: Answer = self.ask("/v3/kv/range", &body).await?;
        let entry = answer.kvs.into_iter().next().map(entry).transpose()?;
        Ok(Found { entry, revision: number(&answer.header.revision)? })
    }

    /// Writes a key whatever it is, which goes with the lease. Returns the revision that wrote it.
    pub(crate) async fn put(&self, key: &str, value: &[u8], lease: u64) -> Result<u64, Failure> {
        let put = put(&BASE64.encode(key), value, lease);
        let answer: Answer = self.ask("/v3/kv/put", &put).await?;
        number(&answer.header.revision)
    }

    /// Writes a key that was last written at this revision, or was not, at 0. Returns the
    /// revision that wrote it; none if the key is another by now.
    pub(crate) async fn replace(
        &self,
        key: &str,
        revision: u64,
        value: &[u8],
        lease: u64,
    ) -> Result<Option<u64>, Failure> {
        let key = BASE64.encode(key);
        let body = json!({
            "compare": [{"key": key, "target": "MOD", "result": "EQUAL",
                         "mod_revision": revision.to_string()}],
            "success": [{"request_put": put(&key, value, lease)}],
        });
        let answer: Answer = self.ask("/v3/kv/txn", &body).await?;
        let revision = number(&answer.header.revision)?;
        Ok(answer.succeeded.then_some(revision))
    }

    /// Makes a lease of this number, unless there is one.
    pub(crate) async fn grant(&self, lease: u64, length: Duration) -> Result<(), Failure> {
        let body = json!({"ID": lease.to_string(), "TTL": length.as_secs().to_string()});
        match self.ask::<Answer>("/v3/lease/grant", &body).await {
            Err(Failure::Unknown(why)) if why.contains("lease already exists") => Ok(()),
            done => done.map(drop),
        }
    }

    /// Has a lease go on for its whole length from now. Returns whether it had not ended.
    pub(crate) async fn keep(&self, lease: u64) -> Result<bool, Failure> {
        let body = json!({"ID": lease.to_string()});
        let kept: Kept = self.ask("/v3/lease/keepalive", &body).await?;
        Ok(!kept.result.ttl.is_empty())
    }

    /// Ends a lease, and all keys that go with it.
    pub(crate) async fn revoke(&self, lease: u64) -> Result<(), Failure> {
        let body = json!({"ID": lease.to_string()});
        self.ask::<Answer>("/v3/lease/revoke", &body).await.map(drop)
    }

    /// Leaves a server for the next one, which may be better off.
    pub(crate) fn turn_to_next(&self) {
        self.turn.fetch_add(1, Ordering::Relaxed);
    }

    async fn ask<A: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<A, Failure> {
        match tokio::time::timeout(PATIENCE, self.ask_as_user(path, body)).await {
            Ok(result) => result,
            Err(_) => {
                self.turn_to_next();
                Err(Failure::Unknown(format!("no answer within {} s", PATIENCE.as_secs())))
            }
        }
    }

    /// Asks, and shows who we are if that is needed.
    async fn ask_as_user<A: DeserializeOwned>(
        &self,
        path: &str,
        body: &Value,
    ) -> Result<A, Failure> {
        let Some(user) = &self.user else { return self.send(path, body, None).await };
        let known = self.known_token();
        if let Some(token) = known {
            match self.send(path, body, Some(token)).await {
                // It may have expired.
                Err(Failure::Refused(_)) => {}
                done => return done,
            }
        }
        let credentials = json!({"name": user.name, "password": user.password});
        let shown: Result<Answer, _> = self.send("/v3/auth/authenticate", &credentials, None).await;
        let token = match shown {
            Ok(answer) => answer.token,
            Err(Failure::Refused(why)) => return Err(Failure::Refused(why)),
            // What was asked for was not sent yet.
            Err(failure) => return Err(Failure::NotSent(failure.to_string())),
        };
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = Some(token.clone());
        self.send(path, body, Some(token)).await
    }

    fn known_token(&self) -> Option<String> {
        self.token.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn send<A: DeserializeOwned>(
        &self,
        path: &str,
        body: &Value,
        token: Option<String>,
    ) -> Result<A, Failure> {
        let turn = self.turn.load(Ordering::Relaxed);
        let endpoint = &self.endpoints[turn % self.endpoints.len()];
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("{}{path}", endpoint.to_string().trim_end_matches('/')))
            .header("content-type", "application/json");
        let request = token
            .into_iter()
            .fold(request, |request, token| request.header("authorization", token));
        let request = request
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
            let text = format!("{status}: {text}");
            return Err(match is_refusal(status, &body) {
                true => Failure::Refused(text),
                false => Failure::Unknown(text),
            });
        }
        serde_json::from_slice(&body).map_err(|error| Failure::Unknown(error.to_string()))
    }
}

/// What a put is, of a key in base 64.
fn put(key: &str, value: &[u8], lease: u64) -> Value {
    json!({"key": key, "value": BASE64.encode(value), "lease": lease.to_string()})
}

/// Whether etcd did not do it because of who asked.
fn is_refusal(status: StatusCode, body: &[u8]) -> bool {
    // A wrong password, or none, is an invalid argument to etcd.
    let is_of_auth = || {
        String::from_utf8_lossy(body).contains("etcdserver: authentication failed")
            || String::from_utf8_lossy(body).contains("etcdserver: user name is empty")
    };
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => true,
        StatusCode::BAD_REQUEST => is_of_auth(),
        _ => false,
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

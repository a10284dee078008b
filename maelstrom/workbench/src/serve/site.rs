//! Answers requests.
//!
//! Everything is read, nothing is changed. Who may read is whoever can open a connection from
//! this machine: a page of somebody else's that a browser here shows may send requests, too,
//! so no answer is for other origins, and a name that was made to lead here is refused.

use std::convert::Infallible;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http_body_util::{Channel, Either, Full};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task;

use super::events::{Body, Push, stream};
use super::figures::told;
use super::list::List;
use super::live::Live;
use super::place::Root;
use super::runs::{Runs, files, results};
use crate::report::page::store;

/// How many findings of a run are told.
const TOLD: usize = 100;
/// How much of a file is read at a time.
const CHUNK: usize = 1 << 16;

/// What the page may load: its own parts.
const OWN: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                   img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// What a report may load: nothing, as all of it is in the page.
const REPORT: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
                      img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// What other files of a run may do, which nodes may have written: nothing.
const NOTHING: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; \
                       frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 4] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// A store that is shown.
#[derive(Debug)]
pub(super) struct Site {
    root: Root,
    runs: Arc<Runs>,
    /// Whether the server ends.
    ended: watch::Receiver<()>,
}

/// Why there is no answer.
type Refusal = (StatusCode, &'static str);

const ABSENT: Refusal = (StatusCode::NOT_FOUND, "The store has no such file.");
const BROKEN: Refusal = (StatusCode::INTERNAL_SERVER_ERROR, "That is a fault of the bench.");

impl Site {
    pub(super) fn new(root: Root, ended: watch::Receiver<()>) -> Self {
        Self { runs: Arc::new(Runs::new(root.clone())), root, ended }
    }

    pub(super) async fn answer<T>(
        self: Arc<Self>,
        request: Request<T>,
    ) -> Result<Response<Body>, Infallible> {
        let path = request.uri().path().to_owned();
        let found = match check(&request) {
            // Nobody else has to wait for the disk.
            Ok(()) => task::spawn_blocking(move || self.find(&path)).await.unwrap_or(Err(BROKEN)),
            Err(refusal) => Err(refusal),
        };
        let mut response = found.unwrap_or_else(|(status, text)| {
            let mut response = whole("text/plain; charset=utf-8", NOTHING, format!("{text}\n"));
            *response.status_mut() = status;
            response
        });
        for (name, value) in HEADERS {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        Ok(response)
    }

    fn find(&self, path: &str) -> Result<Response<Body>, Refusal> {
        if let Some(path) = path.strip_prefix("/files/") {
            return self.file(path);
        }
        if let Some(run) = path.strip_prefix("/runs/").filter(|of| *of != "events") {
            let (path, is_followed) = match run.strip_suffix("/events") {
                Some(path) => (path, true),
                None => (run, false),
            };
            let (id, folder) = self.root.run(path).ok_or(ABSENT)?;
            return Ok(if is_followed { self.follow(id, folder) } else { self.run(&id, &folder) });
        }
        match path {
            "/" => Ok(whole("text/html; charset=utf-8", OWN, store::PAGE)),
            "/style.css" => Ok(whole("text/css; charset=utf-8", OWN, store::STYLE)),
            "/script.js" => Ok(whole("text/javascript; charset=utf-8", OWN, store::script())),
            "/runs" => Ok(self.list()),
            "/runs/events" => {
                let mut list = List::new(self.runs.clone());
                Ok(self.push(move || list.next()))
            }
            _ => Err(ABSENT),
        }
    }

    fn list(&self) -> Response<Body> {
        let all = self.runs.all();
        json_of(&json!(all.iter().map(|run| &**run).collect::<Vec<_>>()))
    }

    /// A run with its files, and what was found.
    fn run(&self, id: &str, folder: &Path) -> Response<Body> {
        let results = results(folder).ok().flatten().unwrap_or_default();
        let told = |list| -> Vec<&Value> { told(&results, list).into_iter().take(TOLD).collect() };
        json_of(&json!({
            "run": *self.runs.one(id, folder),
            "files": files(folder),
            "findings": told("findings"),
            "warnings": told("warnings"),
        }))
    }

    /// A run as it goes.
    fn follow(&self, id: String, folder: PathBuf) -> Response<Body> {
        let mut live = Live::new(self.runs.clone(), id, folder);
        self.push(move || live.next())
    }

    fn push(&self, look: impl FnMut() -> Push + Send + 'static) -> Response<Body> {
        response("text/event-stream", NOTHING, stream(look, self.ended.clone()))
    }

    fn file(&self, path: &str) -> Result<Response<Body>, Refusal> {
        let (file, length) = self.root.open(path).ok_or(ABSENT)?;
        let (kind, policy) = kind(path);
        let mut response = response(kind, policy, send(file, length));
        response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
        Ok(response)
    }
}

/// Whether a request may be answered at all.
fn check<T>(request: &Request<T>) -> Result<(), Refusal> {
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        return Err((StatusCode::METHOD_NOT_ALLOWED, "The store can only be read."));
    }
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Err((StatusCode::BAD_REQUEST, "A request names one host."));
    };
    let named = request.uri().authority();
    let is_local = host.to_str().is_ok_and(is_local)
        && named.is_none_or(|authority| is_local(authority.as_str()));
    is_local.then_some(()).ok_or((
        StatusCode::MISDIRECTED_REQUEST,
        "The store is shown to this machine alone, as 127.0.0.1 or localhost.",
    ))
}

/// Whether a host is this machine by a name that nobody else can give it. The port may be
/// another one, forwarded from another machine.
fn is_local(host: &str) -> bool {
    let (name, port) = host.rsplit_once(':').unwrap_or((host, "80"));
    (name == "127.0.0.1" || name.eq_ignore_ascii_case("localhost")) && port.parse::<u16>().is_ok()
}

/// The type of a file, and what it may do. A node may have written anything, under any name.
fn kind(path: &str) -> (&'static str, &'static str) {
    let name = path.rsplit('/').next().unwrap_or_default();
    let kind = match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "json" => "application/json",
        _ => "text/plain; charset=utf-8",
    };
    // That of a run, which is in the folder of its workload.
    let is_report = name == "report.html" && path.split('/').count() <= 3;
    (kind, if is_report { REPORT } else { NOTHING })
}

/// The content of a file, as long as it was when it was opened: it may be growing.
fn send(file: File, length: u64) -> Body {
    let (mut sender, body) = Channel::new(2);
    let runtime = tokio::runtime::Handle::current();
    task::spawn_blocking(move || {
        let mut left = file.take(length);
        loop {
            let mut chunk = Vec::with_capacity(CHUNK);
            // A file that gets shorter or cannot be read ends the connection.
            match left.by_ref().take(CHUNK as u64).read_to_end(&mut chunk) {
                Ok(1..) => {}
                Ok(0) | Err(_) => return,
            }
            if runtime.block_on(sender.send_data(chunk.into())).is_err() {
                return;
            }
        }
    });
    Either::Right(body)
}

fn json_of(value: &Value) -> Response<Body> {
    whole("application/json", NOTHING, value.to_string())
}

fn whole(kind: &'static str, policy: &'static str, text: impl Into<String>) -> Response<Body> {
    response(kind, policy, Either::Left(Full::new(text.into().into())))
}

fn response(kind: &'static str, policy: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_two_names() {
        for host in ["127.0.0.1", "127.0.0.1:8080", "localhost:9000", "LocalHost"] {
            assert!(is_local(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "evil.example:8080",
            "127.0.0.1.evil.example",
            "localhost.evil",
            "127.0.0.1:x",
            "localhost:8080:8080",
            "user@localhost",
            "[::1]:8080",
            "0.0.0.0",
        ] {
            assert!(!is_local(host), "{host}");
        }
    }

    #[test]
    fn only_a_runs_report_may_run_a_script() {
        assert_eq!(kind("echo/now/report.html").1, REPORT);
        assert_eq!(kind("latest/report.html").1, REPORT);
        for path in ["echo/now/node-dirs/n0/report.html", "echo/now/report.html/a.html", "a.html"] {
            assert_eq!(kind(path).1, NOTHING, "{path}");
        }
        assert_eq!(kind("echo/now/node-logs/n0.log").0, "text/plain; charset=utf-8");
    }
}

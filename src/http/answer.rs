//! One request, one answer.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Method, Request, Response, StatusCode};
use tokio::time::timeout;

use super::objects::Object;
use super::{Site, health, status};
use crate::board::Board;
use crate::telemetry::metrics;

/// How long the evidence log is waited for.
const EVIDENCE_TIMEOUT: Duration = Duration::from_secs(10);

const TEXT: &str = "text/plain; charset=utf-8";

/// No script, nothing from elsewhere, in nobody's frame.
const SECURITY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What is said about a path that leads nowhere.
const NOWHERE: &str = "not here; there are /status /metrics /livez /readyz /startupz and the evidence log: /checkpoint \
                       /log.vkey /policy/<sha256>.yaml /tile/..\n";

/// An answer before it has the form of the protocol.
struct Reply {
    status: StatusCode,
    content: &'static str,
    cache: &'static str,
    body: Bytes,
}

/// The answer to a request, whose body is never read.
pub(super) async fn to<B>(request: &Request<B>, site: &Site<'_>) -> Response<Full<Bytes>> {
    if request.method() != Method::GET {
        let mut response = Reply::text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n").response();
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
        return response;
    }
    let now = crate::clock::now();
    match request.uri().path() {
        "/livez" => Reply::probe(health::live(&site.board(), now)).response(),
        "/startupz" => Reply::probe(health::started(&site.board())).response(),
        "/readyz" => Reply::probe(health::ready(&site.board())).response(),
        "/metrics" => exposition(site).response(),
        "/status" => {
            let board = site.board();
            let wanted = if wants_json(request) { json(&board) } else { page(&board, now) };
            let mut response = wanted.response();
            response.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
            response
        }
        path => match path.strip_prefix('/').and_then(Object::parse) {
            Some(object) => evidence(site, &object).await.response(),
            None => Reply::text(StatusCode::NOT_FOUND, NOWHERE).response(),
        },
    }
}

fn exposition(site: &Site<'_>) -> Reply {
    match site.metrics.render(&site.board()) {
        Ok(text) => Reply::found(metrics::CONTENT_TYPE, "no-store", text),
        Err(error) => broken("metrics", &error),
    }
}

fn page(board: &Board, now: jiff::Timestamp) -> Reply {
    match status::page(board, now) {
        Ok(html) => Reply::found("text/html; charset=utf-8", "no-store", html),
        Err(error) => broken("page", &error),
    }
}

fn json(board: &Board) -> Reply {
    match serde_json::to_vec_pretty(board) {
        Ok(json) => Reply::found("application/json", "no-store", json),
        Err(error) => broken("board", &error),
    }
}

fn broken(what: &str, error: &dyn std::error::Error) -> Reply {
    tracing::error!(%error, "the {what} could not be written");
    Reply::text(StatusCode::INTERNAL_SERVER_ERROR, "it could not be written; see the log\n")
}

async fn evidence(site: &Site<'_>, object: &Object) -> Reply {
    match timeout(EVIDENCE_TIMEOUT, site.evidence.object(&object.path())).await {
        Ok(Some(bytes)) => Reply::found(object.content_type(), object.cache(), bytes),
        Ok(None) => Reply::text(StatusCode::NOT_FOUND, "the log has no such file, or it cannot be read now\n"),
        Err(_) => Reply::text(StatusCode::GATEWAY_TIMEOUT, "the log does not answer\n"),
    }
}

/// Whether JSON is asked for by its name; everything else gets the page.
fn wants_json<B>(request: &Request<B>) -> bool {
    let accepted = request.headers().get_all(ACCEPT).into_iter().filter_map(|value| value.to_str().ok());
    let mut kinds = accepted.flat_map(|value| value.split(',')).filter_map(|kind| kind.split(';').next());
    kinds.any(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

// === impl Site ===

impl Site<'_> {
    fn board(&self) -> Board {
        self.board.borrow().clone()
    }
}

// === impl Reply ===

impl Reply {
    fn found(content: &'static str, cache: &'static str, body: impl Into<Bytes>) -> Self {
        Self { status: StatusCode::OK, content, cache, body: body.into() }
    }

    fn text(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self { status, ..Self::found(TEXT, "no-store", body) }
    }

    fn probe(found: Result<(), String>) -> Self {
        match found {
            Ok(()) => Self::text(StatusCode::OK, "ok\n"),
            Err(why) => Self::text(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
        }
    }

    fn response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        for (name, value) in [
            (CONTENT_TYPE, self.content),
            (CACHE_CONTROL, self.cache),
            (CONTENT_SECURITY_POLICY, SECURITY),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (REFERRER_POLICY, "no-referrer"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

//! A peer of the service for the benchmark: the same reads from the same database, in Rust with hyper and rusqlite.
//!
//! It opens the database read-only, remembers keys by their hash once it has found them, and answers GET /v2/personas/{id} and
//! GET /v2/personas?limit=N&cursor=C as the service does, byte for byte but for request ids. It has no log, no limits, no metrics.
//!
//!     peer DATABASE PORT

mod json;
mod store;

use hyper::server::conn::AddrStream;
use hyper::service::{make_service_fn, service_fn};
use hyper::{header, Body, Method, Request, Response, Server, StatusCode};
use std::cell::RefCell;
use std::convert::Infallible;
use std::sync::Arc;
use store::{Position, Store};

const LIMIT_DEFAULT: usize = 20;
const LIMIT_MAX: usize = 100;

thread_local! {
    static STORE: RefCell<Store> = RefCell::new(Store::open(&std::env::args().nth(1).expect("no database is named")));
}

/// Why a request is refused.
struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: &'static str,
}

const NOT_FOUND: Refusal = Refusal { status: StatusCode::NOT_FOUND, code: "NOT_FOUND", message: "Not found" };

impl Refusal {
    fn unauthorized(code: &'static str, message: &'static str) -> Refusal {
        Refusal { status: StatusCode::UNAUTHORIZED, code, message }
    }

    fn invalid(code: &'static str, message: &'static str) -> Refusal {
        Refusal { status: StatusCode::BAD_REQUEST, code, message }
    }
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Refusal {
        eprintln!("{}", error);
        Refusal { status: StatusCode::INTERNAL_SERVER_ERROR, code: "INTERNAL_ERROR", message: "Internal error" }
    }
}

fn main() {
    let port: u16 = match std::env::args().nth(2).and_then(|text| text.parse().ok()) {
        Some(port) if std::env::args().len() == 3 => port,
        _ => {
            eprintln!("usage: peer DATABASE PORT");
            std::process::exit(64);
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("no runtime");
    runtime.block_on(async {
        let service = make_service_fn(|connection: &AddrStream| {
            let media_url: Arc<str> = format!("http://{}/media/", connection.local_addr()).into();
            async move {
                Ok::<_, Infallible>(service_fn(move |request| {
                    let response = respond(&request, &media_url);
                    async move { Ok::<_, Infallible>(response) }
                }))
            }
        });
        let server = Server::bind(&([127, 0, 0, 1], port).into()).tcp_nodelay(true).serve(service);
        eprintln!("listening at http://{}", server.local_addr());
        server.await.expect("the server broke off");
    });
}

fn respond(request: &Request<Body>, media_url: &str) -> Response<Body> {
    let (status, body) = match STORE.with(|store| answer(request, &mut store.borrow_mut(), media_url)) {
        Ok(body) => (StatusCode::OK, body),
        Err(refusal) => (refusal.status, json::error(refusal.code, refusal.message)),
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}

fn answer(request: &Request<Body>, store: &mut Store, media_url: &str) -> Result<Vec<u8>, Refusal> {
    let account = account(request, store)?;
    if request.method() != Method::GET {
        return Err(Refusal { status: StatusCode::METHOD_NOT_ALLOWED, code: "METHOD_NOT_ALLOWED", message: "Method not allowed" });
    }
    match request.uri().path().strip_prefix("/v2/personas") {
        Some("") => list(request.uri().query().unwrap_or(""), store, &account, media_url),
        Some(rest) if rest.starts_with('/') => show(&rest[1..], store, &account, media_url),
        _ => Err(NOT_FOUND),
    }
}

fn account(request: &Request<Body>, store: &mut Store) -> Result<[u8; 16], Refusal> {
    let secret = match request.headers().get("x-api-key") {
        Some(secret) => secret.as_bytes(),
        None => return Err(Refusal::unauthorized("MISSING_API_KEY", "An API key is required in the header X-Api-Key")),
    };
    if !secret.starts_with(b"pkz_") {
        return Err(Refusal::unauthorized("INVALID_API_KEY_FORMAT", "The API key must start with pkz_"));
    }
    store.account(secret)?.ok_or_else(|| Refusal::unauthorized("INVALID_API_KEY", "The API key is not valid"))
}

fn show(text: &str, store: &Store, account: &[u8; 16], media_url: &str) -> Result<Vec<u8>, Refusal> {
    let id = json::identifier(text).ok_or_else(|| Refusal::invalid("INVALID_PERSONA", "The persona id is not a UUID"))?;
    let mut out = Vec::with_capacity(1_024);
    let is_found = store.item(&id, |item| {
        let is_own = item.account_id == account && item.mode == "persona";
        if is_own {
            json::item(&mut out, item, media_url);
        }
        is_own
    })?;
    if is_found {
        Ok(out)
    } else {
        Err(NOT_FOUND)
    }
}

fn list(query: &str, store: &Store, account: &[u8; 16], media_url: &str) -> Result<Vec<u8>, Refusal> {
    let parameter = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let mut limit = LIMIT_DEFAULT;
    if let Some(text) = parameter("limit") {
        let number = text.parse().ok().filter(|&number| number >= 1);
        limit = number.map(|number: usize| number.min(LIMIT_MAX)).ok_or_else(|| {
            Refusal::invalid("VALIDATION_ERROR", "The request is invalid: limit must be a whole number of at least 1")
        })?;
    }
    let mut after = Position::before_all();
    if let Some(text) = parameter("cursor") {
        after = Position::of_cursor(text).ok_or_else(|| {
            Refusal::invalid("VALIDATION_ERROR", "The request is invalid: cursor does not belong to this list")
        })?;
    }
    let mut out = Vec::with_capacity(1_024 * limit);
    out.extend_from_slice(b"{\"data\":[");
    let mut count = 0;
    let mut last = Position::before_all();
    store.page(account, &after, limit + 1, |item| {
        count += 1;
        if count > limit {
            return;
        }
        if count > 1 {
            out.push(b',');
        }
        json::item(&mut out, item, media_url);
        last = item.position();
    })?;
    if count > limit {
        out.extend_from_slice(b"],\"has_more\":true,\"next_cursor\":\"");
        out.extend_from_slice(last.cursor().as_bytes());
        out.extend_from_slice(b"\"}");
    } else {
        out.extend_from_slice(b"],\"has_more\":false,\"next_cursor\":null}");
    }
    Ok(out)
}

//! The dashboard's files, built into the binary from `engine/server/dashboard`, so that it needs no second thing to
//! install and asks nothing from outside.
//!
//! Files are packed and hashed once. The page itself is never kept by a browser, and what it loads is asked for again
//! with its `ETag`, so that after an update nobody sees half of two versions. In debug builds files are read from the
//! folder at every request: what is edited shows on reload.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use actix_web::http::header::{self, HeaderMap};
use actix_web::http::{Method, StatusCode};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use flate2::Compression;

use super::packing::{is_welcome, names, pack};

/// What `/` shows.
const INDEX: &str = "index.html";

/// A page may load and call only what this server has, and nobody may frame it.
const CONTENT_SECURITY_POLICY: &str =
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'";

#[derive(rust_embed::Embed)]
#[folder = "dashboard"]
struct Folder;

/// One file as it is served.
#[derive(Clone)]
struct File {
    content_type: String,
    /// Quoted, as the header has it.
    etag: String,
    plain: Bytes,
    /// Only where it is worth it.
    packed: Option<Bytes>,
}

impl File {
    fn read(path: &str) -> Option<Self> {
        let file = Folder::get(path)?;
        let digest: String =
            file.metadata.sha256_hash()[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        let mut content_type = file.metadata.mimetype().to_owned();
        if content_type.starts_with("text/") {
            content_type.push_str("; charset=utf-8");
        }
        let plain = Bytes::from(file.data.into_owned());
        let packed = pack(&plain, Compression::best()).filter(|packed| packed.len() < plain.len());
        Some(Self { content_type, etag: format!("\"{digest}\""), plain, packed })
    }
}

static FILES: LazyLock<BTreeMap<String, File>> = LazyLock::new(|| {
    let files = Folder::iter().filter_map(|path| Some((path.to_string(), File::read(&path)?)));
    files.collect()
});

fn find(path: &str) -> Option<File> {
    if cfg!(debug_assertions) { File::read(path) } else { FILES.get(path).cloned() }
}

/// The file at the request's path, if there is one and it is asked for by reading.
pub(super) fn file(request: &HttpRequest) -> Option<HttpResponse> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return None;
    }
    let path = match request.path().strip_prefix('/')? {
        "" => INDEX,
        path => path,
    };
    Some(answer(find(path)?, path, request.headers()))
}

fn answer(file: File, path: &str, asked: &HeaderMap) -> HttpResponse {
    let mut response = HttpResponse::build(StatusCode::OK);
    response
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .insert_header((header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY));
    if path == INDEX {
        response.insert_header((header::CACHE_CONTROL, "no-store"));
    } else {
        response
            .insert_header((header::CACHE_CONTROL, "no-cache"))
            .insert_header((header::ETAG, file.etag.as_str()))
            .insert_header((header::VARY, "accept-encoding"));
        if names(asked, header::IF_NONE_MATCH)
            .any(|tag| tag == "*" || tag.trim_start_matches("W/") == file.etag)
        {
            return response.status(StatusCode::NOT_MODIFIED).finish();
        }
    }
    response.content_type(file.content_type);
    match file.packed {
        Some(packed) if is_welcome(asked) => {
            response.insert_header((header::CONTENT_ENCODING, "gzip")).body(packed)
        }
        _ => response.body(file.plain),
    }
}

//! The dashboard, built into the binary from `engine/server/dashboard`, so that it needs no second thing to install and
//! asks nothing from outside.
//!
//! All of it is one page ([`join`]), packed and hashed once. A browser asks for it anew each time, with its `ETag`, so
//! that after an update nobody sees half of two versions. In debug builds files are read from the folder at every
//! request: what is edited shows on reload.

mod join;

use std::sync::LazyLock;

use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use sha2::{Digest as _, Sha256};

use super::packing::{is_welcome, names, pack};

/// What `/` shows.
const INDEX: &str = "index.html";
/// What a browser shows beside the title.
const ICON: &str = "icon.svg";

#[derive(rust_embed::Embed)]
#[folder = "dashboard"]
struct Folder;

/// One file as it is served.
#[derive(Clone)]
struct File {
    content_type: &'static str,
    /// What it may load and call: only what this server has, and nobody may frame it.
    policy: HeaderValue,
    /// Quoted, as the header has it.
    etag: String,
    plain: Bytes,
    /// Only where it is worth it.
    packed: Option<Bytes>,
}

fn text(path: &str) -> Option<String> {
    String::from_utf8(Folder::get(path)?.data.into_owned()).ok()
}

impl File {
    fn new(content_type: &'static str, text: String, own: &str) -> Self {
        let policy = format!(
            "default-src 'self';{own} base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"
        );
        let digest: String = Sha256::digest(&text)[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        let plain = Bytes::from(text);
        let packed = pack(&plain, Compression::best()).filter(|packed| packed.len() < plain.len());
        let policy = HeaderValue::try_from(policy).expect("hashes and words are fit for a header");
        Self { content_type, policy, etag: format!("\"{digest}\""), plain, packed }
    }

    /// The page with all that it needs. Its styles and its script are told by their hashes: nothing else in it is heeded.
    fn page() -> Result<Self, String> {
        let page = join::page(INDEX, &text)?;
        let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
        let own = format!(
            " script-src 'sha256-{}'; style-src 'sha256-{}';",
            hash(&page.script),
            hash(&page.styles)
        );
        Ok(Self::new("text/html; charset=utf-8", page.html, &own))
    }

    fn icon() -> Result<Self, String> {
        text(ICON)
            .map(|icon| Self::new("image/svg+xml", icon, ""))
            .ok_or_else(|| format!("there is no {ICON}"))
    }
}

type Made = Result<File, String>;
static PAGE: LazyLock<Made> = LazyLock::new(File::page);
static PICTURE: LazyLock<Made> = LazyLock::new(File::icon);

fn find(path: &str) -> Option<Made> {
    let (kept, make): (&LazyLock<Made>, fn() -> Made) = match path {
        "/" | "/index.html" => (&PAGE, File::page),
        "/icon.svg" => (&PICTURE, File::icon),
        _ => return None,
    };
    Some(if cfg!(debug_assertions) { make() } else { (**kept).clone() })
}

/// The file at the request's path, if there is one and it is asked for by reading.
pub(super) fn file(request: &HttpRequest) -> Option<HttpResponse> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return None;
    }
    Some(match find(request.path())? {
        Ok(file) => answer(file, request.headers()),
        // Whoever edits the files reads it in the browser.
        Err(why) => {
            HttpResponse::InternalServerError().body(format!("the dashboard cannot be shown: {why}\n"))
        }
    })
}

fn answer(file: File, asked: &HeaderMap) -> HttpResponse {
    let mut response = HttpResponse::build(StatusCode::OK);
    response
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .insert_header((header::CONTENT_SECURITY_POLICY, file.policy))
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header((header::ETAG, file.etag.as_str()))
        .insert_header((header::VARY, "accept-encoding"));
    if names(asked, header::IF_NONE_MATCH).any(|tag| tag == "*" || tag.trim_start_matches("W/") == file.etag)
    {
        return response.status(StatusCode::NOT_MODIFIED).finish();
    }
    response.content_type(file.content_type);
    match file.packed {
        Some(packed) if is_welcome(asked) => {
            response.insert_header((header::CONTENT_ENCODING, "gzip")).body(packed)
        }
        _ => response.body(file.plain),
    }
}

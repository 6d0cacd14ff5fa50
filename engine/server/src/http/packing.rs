//! Packs what is long, for those who can unpack it: on a phone, a list of issues is a tenth as long so.

use std::io::Write as _;

use actix_web::HttpResponse;
use actix_web::body::{BodySize, MessageBody as _};
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::web::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

/// What is shorter fits into one packet as it is.
const WORTH_IT_BYTES: u64 = 1400;

/// Text, packed.
pub(super) fn pack(plain: &[u8], how_well: Compression) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), how_well);
    encoder.write_all(plain).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

/// An answer, packed where that is asked for and worth it. What has no end yet, as the stream, is left as it is.
pub(super) fn packed(response: HttpResponse, asked: &HeaderMap) -> HttpResponse {
    let is_long = matches!(response.body().size(), BodySize::Sized(bytes) if bytes >= WORTH_IT_BYTES);
    if !is_long || !is_welcome(asked) {
        return response;
    }
    let (mut head, body) = response.into_parts();
    let plain = match body.try_into_bytes() {
        Ok(plain) => plain,
        Err(body) => return head.set_body(body),
    };
    let Some(packed) = pack(&plain, Compression::fast()) else {
        return head.set_body(plain).map_into_boxed_body();
    };
    let headers = head.headers_mut();
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
    head.set_body(packed).map_into_boxed_body()
}

/// Whether whoever asks can unpack.
pub(super) fn is_welcome(asked: &HeaderMap) -> bool {
    names(asked, header::ACCEPT_ENCODING).any(accepts_gzip)
}

/// The members of a header that is a list.
pub(super) fn names(headers: &HeaderMap, name: header::HeaderName) -> impl Iterator<Item = &str> {
    let values = headers.get_all(name).filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

fn accepts_gzip(coding: &str) -> bool {
    let (name, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
    let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok());
    matches!(name.trim(), "gzip" | "*") && weight.is_some_and(|weight| weight > 0.0)
}

//! `/openapi/v2` and `/openapi/v3`: the documents by which clients validate, explain and merge.
//!
//! They follow from the program, the kinds that are served and the schemas of custom ones, so their hash is one of
//! these; a
//! document is written when it is asked for, straight through gzip where the client takes it.

use std::io::{self, Write};
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::header::{ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, ETAG, HeaderValue, IF_NONE_MATCH, VARY};
use hyper::{HeaderMap, Method, Response, StatusCode};
use ring::digest::{Context as Digest, SHA256};

use super::body::{self, Body};
use super::request::Query;
use crate::kinds::Kind;
use crate::registry::Catalog;
use crate::schema::openapi::{self, Gvk, Resource, Source, Subresource};
use crate::schema::status::Status;

/// The answer, where the path is one of these.
///
/// # Errors
/// 405 for a method other than GET.
pub fn answer(
    catalog: &Catalog,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
    query: &Query,
) -> Result<Option<Response<Body>>, Status> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let ["openapi", edition, place @ ..] = parts.as_slice() else { return Ok(None) };
    if *method != Method::GET && *method != Method::HEAD {
        return Err(Status::method_not_allowed());
    }
    let (group, version) = match (*edition, place) {
        ("v3", []) => return Ok(Some(index(catalog))),
        ("v2", []) => {
            return document(
                headers,
                &hash(catalog, None),
                query,
                |out| write_v2(catalog, headers, out),
                v2_type(headers),
            );
        }
        ("v3", ["api", version]) => ("", *version),
        ("v3", ["apis", group, version]) => (*group, *version),
        _ => return Ok(None),
    };
    if !catalog.has_version(group, version) {
        return Ok(None);
    }
    let resources = resources(catalog);
    let hash = hash(catalog, Some((group, version)));
    document(headers, &hash, query, |out| openapi::v3(group, version, &resources, out), "application/json")
}

/// The list of the documents of version 3.
fn index(catalog: &Catalog) -> Response<Body> {
    let groups = catalog.groups();
    let versions = groups.iter().flat_map(|(group, versions)| versions.iter().map(move |version| (group, version)));
    let places: Vec<(String, String)> =
        versions.map(|(group, version)| (place(group, version), hash(catalog, Some((group, version))))).collect();
    let index = openapi::v3_index(places.iter().map(|(place, hash)| (place.as_str(), hash.as_str())));
    body::response(200, "application/json", body::full(index.to_string()))
}

fn place(group: &str, version: &str) -> String {
    if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") }
}

/// A document, or word that the client has it already.
fn document(
    headers: &HeaderMap,
    hash: &str,
    query: &Query,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    media: &str,
) -> Result<Option<Response<Body>>, Status> {
    let etag = format!("\"{hash}\"");
    let known = headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    if known.is_some_and(|known| known.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag)) {
        let mut response = Response::new(body::full(""));
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        set(&mut response, ETAG, &etag);
        return Ok(Some(response));
    }
    let zipped = headers.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).is_some_and(takes_gzip);
    let bytes = if zipped {
        let mut out = GzEncoder::new(Vec::new(), Compression::fast());
        write(&mut out).and_then(|()| out.finish())
    } else {
        let mut out = Vec::new();
        write(&mut out).map(|()| out)
    };
    let mut response = body::response(200, media, body::full(bytes.map_err(Status::internal)?));
    if zipped {
        set(&mut response, CONTENT_ENCODING, "gzip");
    }
    set(&mut response, ETAG, &etag);
    set(&mut response, VARY, "Accept-Encoding, Accept");
    if query.get("hash").is_some() {
        // Who names the hash gets what never changes.
        set(&mut response, CACHE_CONTROL, "public, immutable");
    }
    Ok(Some(response))
}

fn set(response: &mut Response<Body>, name: hyper::header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

fn takes_gzip(accepted: &str) -> bool {
    accepted.split(',').map(str::trim).any(|coding| coding == "gzip" || coding.starts_with("gzip;") || coding == "*")
}

/// Whether version 2 is asked for as protobuf.
fn wants_protobuf(headers: &HeaderMap) -> bool {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accept.split(',').next().is_some_and(|first| first.contains("proto-openapi.spec.v2"))
}

fn v2_type(headers: &HeaderMap) -> &'static str {
    if wants_protobuf(headers) { openapi::V2_PROTOBUF } else { "application/json" }
}

fn write_v2(catalog: &Catalog, headers: &HeaderMap, out: &mut dyn Write) -> io::Result<()> {
    let resources = resources(catalog);
    if wants_protobuf(headers) { openapi::v2_protobuf(&resources, out) } else { openapi::v2(&resources, out) }
}

/// What a document follows from: the program and the kinds, all or those of one group version, with the
/// schemas of custom ones.
fn hash(catalog: &Catalog, of: Option<(&str, &str)>) -> String {
    let mut digest = Digest::new(&SHA256);
    digest.update(env!("CARGO_PKG_VERSION").as_bytes());
    let meant = |kind: &&Arc<Kind>| of.is_none_or(|(group, version)| kind.group == group && kind.version == version);
    for kind in catalog.iter().filter(meant) {
        if let Some(custom) = kind.custom() {
            digest.update(custom.packed());
            digest.update(kind.plural.as_bytes());
            digest.update(&[u8::from(kind.is_namespaced())]);
            kind.subresources.iter().for_each(|sub| digest.update(sub.name.as_bytes()));
        }
        for part in [&kind.group, &kind.version, &kind.kind] {
            digest.update(part.as_bytes());
            digest.update(b"/");
        }
    }
    digest.finish().as_ref().iter().take(32).map(|byte| format!("{byte:02X}")).collect()
}

fn resources(catalog: &Catalog) -> Vec<Resource<'_>> {
    catalog.iter().map(|kind| resource(kind)).collect()
}

fn resource(kind: &Kind) -> Resource<'_> {
    let gvk = Gvk { group: &kind.group, version: &kind.version, kind: &kind.kind };
    let subresources = kind.subresources.iter().map(|sub| {
        let own =
            if sub.kind.is_empty() { gvk } else { Gvk { group: sub.group, version: sub.version, kind: sub.kind } };
        Subresource { name: sub.name, verbs: sub.verbs.to_vec(), gvk: own }
    });
    Resource {
        gvk,
        plural: &kind.plural,
        namespaced: kind.is_namespaced(),
        verbs: kind.verbs.names().to_vec(),
        subresources: subresources.collect(),
        schema: kind.custom().map(|custom| custom as &dyn Source),
    }
}

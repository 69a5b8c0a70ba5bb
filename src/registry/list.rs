//! Listing: pages at one revision, filtered, without holding all of them at once.

use std::collections::VecDeque;
use std::sync::Arc;

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use super::filter::Filter;
use super::{Registry, catalog, failed};
use crate::kinds::Kind;
use crate::schema::field::quote;
use crate::schema::status::Status;
use crate::store::{self, ListRange, Record, Store};

/// How many objects are read at a time.
const CHUNK: usize = 64;

/// What a list request asks for, besides the filter.
#[derive(Clone, Debug, Default)]
pub struct ListOptions {
    /// At most so many objects; 0 means all.
    pub limit: usize,
    /// Where the page before ended.
    pub next: Option<Continue>,
    /// The list as it was at exactly this revision.
    pub exact: Option<u64>,
    /// The list must not be older than this revision.
    pub not_older: Option<u64>,
}

/// Where a list goes on: what a continue token holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Continue {
    /// Revision at which the list began.
    pub revision: u64,
    /// Namespace of the last object of the page before.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

#[derive(Serialize, Deserialize)]
struct Token {
    #[serde(default)]
    v: String,
    #[serde(default)]
    rv: i64,
    #[serde(default)]
    start: String,
}

/// As Go reads base64: bits behind the last byte do not matter.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(base64::engine::DecodePaddingMode::RequireNone),
);

const TOKEN_VERSION: &str = "meta.k8s.io/v1";

impl Continue {
    /// The token that the client sends back.
    #[must_use]
    pub fn encode(&self) -> String {
        let start = if self.namespace.is_empty() {
            format!("{}\0", self.name)
        } else {
            format!("{}/{}\0", self.namespace, self.name)
        };
        let token = Token { v: TOKEN_VERSION.into(), rv: i64::try_from(self.revision).unwrap_or(i64::MAX), start };
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&token).unwrap_or_default())
    }

    /// Reads a token; `namespace` is the one that the request is about.
    ///
    /// # Errors
    /// 400 for anything that this server did not hand out for such a request.
    pub fn decode(text: &str, namespace: Option<&str>) -> Result<Self, Status> {
        let wrong =
            |detail: &str| Status::bad_request(format!("invalid continue token: continue key is not valid: {detail}"));
        let bytes = LENIENT.decode(text.trim_end_matches('=')).map_err(|error| {
            let at = match error {
                base64::DecodeError::InvalidByte(at, _) | base64::DecodeError::InvalidLastSymbol(at, _) => at,
                _ => text.len(),
            };
            wrong(&format!("illegal base64 data at input byte {at}"))
        })?;
        let token: Token = serde_json::from_slice(&bytes).map_err(|_| wrong(&unreadable(&bytes)))?;
        if token.v != TOKEN_VERSION {
            return Err(wrong(&format!("server does not recognize this encoded version {}", token.v)));
        }
        let revision = u64::try_from(token.rv).ok().filter(|revision| *revision > 0);
        let revision =
            revision.ok_or_else(|| wrong("incorrect encoded start resourceVersion (version meta.k8s.io/v1)"))?;
        let start = token.start.trim_end_matches('\0');
        let (of, name) = start.split_once('/').unwrap_or(("", start));
        if name.is_empty() || name.contains('/') {
            return Err(wrong("encoded start key empty (version meta.k8s.io/v1)"));
        }
        if namespace.is_some_and(|namespace| !namespace.is_empty() && namespace != of) {
            return Err(wrong("it belongs to a list of another namespace"));
        }
        Ok(Self { revision, namespace: of.into(), name: name.into() })
    }
}

/// What Go's JSON reader says of bytes that are no document.
fn unreadable(bytes: &[u8]) -> String {
    let first = bytes.iter().copied().find(|byte| !byte.is_ascii_whitespace());
    match first {
        None => "unexpected end of JSON input".into(),
        Some(b'{' | b'[' | b'"') => "unexpected end of JSON input".into(),
        Some(byte) => format!("invalid character {} looking for beginning of value", show_byte(byte)),
    }
}

fn show_byte(byte: u8) -> String {
    match byte {
        b'\'' => "'\\''".into(),
        b'"' => "'\"'".into(),
        0x20..=0x7e => format!("'{}'", char::from(byte)),
        byte => format!("'\\u{byte:04x}'"),
    }
}

/// A list that is being read.
pub struct Lister {
    store: Store,
    resource: String,
    kind: Arc<Kind>,
    filter: Filter,
    left: Option<usize>,
    after: Option<(String, String)>,
    revision: u64,
    buffer: VecDeque<Record>,
    more: bool,
    remaining: Option<u64>,
}

impl Registry {
    /// Begins a list; its revision is settled, its objects are read with [`Lister::next`].
    ///
    /// # Errors
    /// 410 where the revision asked for is no longer known; 504 where it is not yet.
    pub async fn list(&self, kind: &Arc<Kind>, filter: Filter, options: ListOptions) -> Result<Lister, Status> {
        let current = self.0.store.revision();
        if let Some(wanted) = options.not_older.or(options.exact)
            && wanted > current
        {
            return Err(too_new(wanted, current));
        }
        let mut lister = Lister {
            store: self.0.store.clone(),
            resource: catalog::storage_name(kind),
            kind: Arc::clone(kind),
            filter,
            left: (options.limit > 0).then_some(options.limit),
            after: None,
            revision: 0,
            buffer: VecDeque::new(),
            more: true,
            remaining: None,
        };
        let at = match options.next {
            Some(next) => {
                lister.after = Some((next.namespace, next.name));
                Some(next.revision)
            }
            None => options.exact,
        };
        lister.fill(at).await?;
        Ok(lister)
    }
}

impl Lister {
    /// The revision that the list shows.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The next object; `None` at the end or at the limit.
    ///
    /// # Errors
    /// 410 where the revision has become too old meanwhile.
    pub async fn next(&mut self) -> Result<Option<Record>, Status> {
        if self.left == Some(0) {
            return Ok(None);
        }
        loop {
            while let Some(record) = self.buffer.pop_front() {
                self.after = Some((record.key.namespace.clone(), record.key.name.clone()));
                if self.filter.matches(&self.kind, &record) {
                    if let Some(left) = &mut self.left {
                        *left -= 1;
                    }
                    return Ok(Some(record));
                }
            }
            if !self.more {
                return Ok(None);
            }
            self.fill(Some(self.revision)).await?;
        }
    }

    /// Where the next page begins, once [`Lister::next`] has said `None`; with it the number of
    /// objects behind it where that is known.
    #[must_use]
    pub fn rest(&self) -> Option<(Continue, Option<u64>)> {
        let more = self.more || !self.buffer.is_empty();
        let (namespace, name) = self.after.clone()?;
        if self.left != Some(0) || !more {
            return None;
        }
        let behind = self.remaining.map(|remaining| remaining + self.buffer.len() as u64);
        let behind = behind.filter(|_| !self.filter.selects());
        Some((Continue { revision: self.revision, namespace, name }, behind))
    }

    async fn fill(&mut self, at: Option<u64>) -> Result<(), Status> {
        let range = ListRange {
            after: self.after.clone(),
            limit: Some(self.left.map_or(CHUNK, |left| left.clamp(1, CHUNK))),
            at,
            skip_count: self.left.is_none(),
        };
        let listing = self.store.list(&self.resource, self.filter.namespace(), range).await;
        let listing = listing.map_err(|error| match error {
            store::Error::Expired { .. } => expired(),
            store::Error::TooLarge { current } => too_new(at.unwrap_or_default(), current),
            other => failed(&other),
        })?;
        self.revision = listing.revision;
        self.more = listing.more;
        self.remaining = listing.remaining;
        self.buffer = listing.records.into();
        Ok(())
    }
}

fn expired() -> Status {
    Status::expired(
        "The provided continue parameter is too old to display a consistent list result. You can start a new list \
         without the continue parameter, or use the continue token in this response to retrieve the remainder of the \
         results. Continuing with the provided token results in an inconsistent list - objects that were created, \
         modified, or deleted between the time the first chunk was returned and now may show up in the list.",
    )
}

/// 504: the revision asked for is ahead of the store.
fn too_new(wanted: u64, current: u64) -> Status {
    Status::new(504, "Timeout", format!("Too large resource version: {wanted}, current: {current}")).with_cause(
        "ResourceVersionTooLarge",
        "Too large resource version",
        "",
    )
}

/// The text for a resource version that is no number.
pub(super) fn no_version(text: &str) -> Status {
    Status::unclassified(format!(
        "resourceVersion: Invalid value: {0}: strconv.ParseUint: parsing {0}: invalid syntax",
        quote(text)
    ))
}

/// Reads a resource version; empty and `0` mean any.
///
/// # Errors
/// 500, as upstream says it, where it is no number.
pub fn parse_version(text: &str) -> Result<Option<u64>, Status> {
    if text.is_empty() || text == "0" {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| no_version(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back_as_they_went_out() {
        let next = Continue { revision: 7, namespace: "ns".into(), name: "a".into() };
        assert_eq!(Continue::decode(&next.encode(), Some("ns")).as_ref(), Ok(&next));
        assert!(Continue::decode(&next.encode(), Some("other")).is_err());
        let cluster = Continue { revision: 7, namespace: String::new(), name: "n".into() };
        assert_eq!(Continue::decode(&cluster.encode(), None), Ok(cluster));
    }

    #[test]
    fn foreign_tokens_are_refused() {
        let status = Continue::decode("garbage", None).expect_err("no token");
        assert_eq!(
            status.message,
            "invalid continue token: continue key is not valid: invalid character '\\u0081' looking for beginning of \
             value"
        );
        let status = Continue::decode("e30", None).expect_err("no version");
        assert!(status.message.ends_with("server does not recognize this encoded version "));
    }

    #[test]
    fn no_changed_token_does_harm() {
        let good = Continue { revision: 12, namespace: "plant".into(), name: "web-0".into() }.encode();
        let mut state = 1_u32;
        for _ in 0..20_000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let mut bytes = good.clone().into_bytes();
            let at = (state >> 8) as usize % bytes.len();
            match state >> 30 {
                0 => bytes.truncate(at),
                1 => bytes[at] = b"AZaz09-_+/=. "[(state >> 16) as usize % 13],
                2 => bytes.insert(at, b'A'),
                _ => drop(bytes.remove(at)),
            }
            let text = String::from_utf8(bytes).expect("ASCII");
            match Continue::decode(&text, Some("plant")) {
                // A token may say another place in the same list; it never leads into another one.
                Ok(next) => assert!(next.namespace == "plant" && !next.name.is_empty() && next.revision > 0, "{text}"),
                Err(status) => assert_eq!(status.code, 400, "{text}"),
            }
        }
        for odd in [
            r#"{"v":"meta.k8s.io/v1","rv":-1,"start":"a\u0000"}"#,
            r#"{"v":"meta.k8s.io/v1","rv":5,"start":""}"#,
            r#"{"rv":5}"#,
            "[]",
            "null",
            r#"{"v":"meta.k8s.io/v1","rv":5,"start":"other/a\u0000"}"#,
            r#"{"v":"meta.k8s.io/v1","rv":5,"start":"plant/a/../b\u0000"}"#,
        ] {
            assert_eq!(
                Continue::decode(&URL_SAFE_NO_PAD.encode(odd), Some("plant")).map_err(|status| status.code),
                Err(400),
                "{odd}"
            );
        }
    }
}

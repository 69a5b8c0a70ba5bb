//! The links of an HTML page that passes through the proxy, put right as the page streams by: the attributes that
//! hold links are known by element and name, all else keeps its bytes. A part of the page is held only while a tag
//! is not whole.

use std::io::Write;

use bytes::Bytes;
use flate2::write::{DeflateDecoder, MultiGzDecoder};
use futures_util::stream;
use http_body_util::BodyExt;
use hyper::HeaderMap;
use hyper::body::Incoming;
use hyper::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG};

use super::super::body::{self, Body, BoxError};
use super::links::Links;

/// Bytes of a tag, above which it is none.
const MAX_TAG: usize = 64 * 1024;
/// Elements whose content is text, whatever it looks like.
const TEXTS: [&str; 9] = ["iframe", "noembed", "noframes", "noscript", "script", "style", "textarea", "title", "xmp"];
/// The attributes that hold a link, by element (HTML 4 and 5).
const LINKS: [(&str, &[&str]); 27] = [
    ("a", &["href"]),
    ("applet", &["codebase"]),
    ("area", &["href"]),
    ("audio", &["src"]),
    ("base", &["href"]),
    ("blockquote", &["cite"]),
    ("body", &["background"]),
    ("button", &["formaction"]),
    ("command", &["icon"]),
    ("del", &["cite"]),
    ("embed", &["src"]),
    ("form", &["action"]),
    ("frame", &["longdesc", "src"]),
    ("head", &["profile"]),
    ("html", &["manifest"]),
    ("iframe", &["longdesc", "src"]),
    ("img", &["longdesc", "src", "usemap"]),
    ("input", &["src", "usemap", "formaction"]),
    ("ins", &["cite"]),
    ("link", &["href"]),
    ("object", &["classid", "codebase", "data", "usemap"]),
    ("q", &["cite"]),
    ("script", &["src"]),
    ("source", &["src"]),
    ("track", &["src"]),
    ("video", &["poster", "src"]),
    ("image", &["href"]),
];

/// The body with its links put right where it is a page that can be read.
pub fn rewritten(headers: &mut HeaderMap, incoming: Incoming, links: Links) -> Body {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().trim();
    let kind = text(CONTENT_TYPE).split(';').next().unwrap_or_default().trim();
    let page = Page { links, held: Vec::new(), text: None };
    let decoder = match text(CONTENT_ENCODING) {
        _ if !kind.eq_ignore_ascii_case("text/html") => None,
        "" => Some(Decoder::Plain(page)),
        "gzip" => Some(Decoder::Gzip(MultiGzDecoder::new(page.into()))),
        "deflate" => Some(Decoder::Deflate(DeflateDecoder::new(page.into()))),
        _ => None,
    };
    let Some(decoder) = decoder else { return incoming.map_err(BoxError::from).boxed_unsync() };
    // The page gets another length, and is another one.
    for name in [CONTENT_LENGTH, CONTENT_ENCODING, ETAG] {
        headers.remove(name);
    }
    body::stream(stream::unfold((incoming, Some(decoder)), |(mut incoming, mut decoder)| async move {
        let mut open = decoder.take()?;
        let piece = match incoming.frame().await {
            Some(Ok(frame)) => open.push(&frame.into_data().unwrap_or_default()),
            Some(Err(error)) => return Some((Err(error.into()), (incoming, None))),
            None => return Some((open.finish(), (incoming, None))),
        };
        let next = piece.is_ok().then_some(open);
        Some((piece, (incoming, next)))
    }))
}

/// A page as it comes: plain or compressed.
enum Decoder {
    Plain(Page),
    Gzip(MultiGzDecoder<Sink>),
    Deflate(DeflateDecoder<Sink>),
}

impl Decoder {
    fn push(&mut self, data: &[u8]) -> Result<Bytes, BoxError> {
        match self {
            Decoder::Plain(page) => Ok(page.push(data).into()),
            Decoder::Gzip(decoder) => {
                decoder.write_all(data)?;
                Ok(std::mem::take(&mut decoder.get_mut().out).into())
            }
            Decoder::Deflate(decoder) => {
                decoder.write_all(data)?;
                Ok(std::mem::take(&mut decoder.get_mut().out).into())
            }
        }
    }

    fn finish(self) -> Result<Bytes, BoxError> {
        let mut sink = match self {
            Decoder::Plain(page) => return Ok(page.held.into()),
            Decoder::Gzip(decoder) => decoder.finish()?,
            Decoder::Deflate(decoder) => decoder.finish()?,
        };
        sink.out.append(&mut sink.page.held);
        Ok(sink.out.into())
    }
}

/// Takes what was decompressed.
struct Sink {
    page: Page,
    out: Vec<u8>,
}

impl From<Page> for Sink {
    fn from(page: Page) -> Self {
        Self { page, out: Vec::new() }
    }
}

impl Write for Sink {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        let mut done = self.page.push(data);
        self.out.append(&mut done);
        Ok(data.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A page and how far it was read.
struct Page {
    links: Links,
    /// The beginning of a tag that is not whole yet.
    held: Vec<u8>,
    /// The element whose text is being passed over.
    text: Option<&'static str>,
}

impl Page {
    /// Takes some bytes; gives those that are done.
    fn push(&mut self, data: &[u8]) -> Vec<u8> {
        let mut all = std::mem::take(&mut self.held);
        all.extend_from_slice(data);
        let mut out = Vec::with_capacity(all.len());
        let mut rest = all.as_slice();
        loop {
            let Some(at) = rest.iter().position(|byte| *byte == b'<') else {
                out.extend_from_slice(rest);
                return out;
            };
            let (before, from) = rest.split_at(at);
            out.extend_from_slice(before);
            let Some(length) = self.token(from) else {
                if from.len() > MAX_TAG {
                    out.extend_from_slice(from);
                } else {
                    self.held = from.to_vec();
                }
                return out;
            };
            let (token, left) = from.split_at(length.min(from.len()));
            self.pass(token, &mut out);
            rest = left;
        }
    }

    /// The length of what begins with this `<`, once all of it is there.
    fn token(&self, from: &[u8]) -> Option<usize> {
        if let Some(element) = self.text {
            // Only the end of the element ends its text.
            let end = from.get(2..2 + element.len())?;
            let ends = from.starts_with(b"</") && end.eq_ignore_ascii_case(element.as_bytes());
            return if ends { whole(from) } else { Some(1) };
        }
        match from.get(1)? {
            b'!' if from.len() < 4 && b"<!--".starts_with(from) => None,
            b'!' if from.starts_with(b"<!--") => find(from, b"-->").map(|at| at + 3),
            b'!' | b'?' => find(from, b">").map(|at| at + 1),
            b'/' => whole(from),
            letter if letter.is_ascii_alphabetic() => whole(from),
            _ => Some(1),
        }
    }

    /// Hands on a tag or a piece of text.
    fn pass(&mut self, token: &[u8], out: &mut Vec<u8>) {
        if token.len() > 1 && token.starts_with(b"</") {
            self.text = None;
        } else if token.get(1).is_some_and(u8::is_ascii_alphabetic) && self.text.is_none() {
            let end = token.iter().position(|byte| is_space(*byte) || matches!(byte, b'/' | b'>'));
            let name = token.get(1..end.unwrap_or(token.len())).unwrap_or_default();
            self.text = TEXTS.into_iter().find(|text| text.as_bytes().eq_ignore_ascii_case(name));
            let known = LINKS.iter().find(|(element, _)| element.as_bytes().eq_ignore_ascii_case(name));
            if let (Some((_, attributes)), Ok(tag)) = (known, std::str::from_utf8(token)) {
                out.extend_from_slice(self.tag(tag, 1 + name.len(), attributes).as_bytes());
                return;
            }
        }
        out.extend_from_slice(token);
    }

    /// A tag with those of its attributes that hold links put right.
    fn tag(&self, tag: &str, name_ends: usize, attributes: &[&str]) -> String {
        let (name, mut rest) = tag.split_at(name_ends);
        let mut out = String::with_capacity(tag.len() + 64);
        out.push_str(name);
        while !rest.is_empty() {
            let begin = rest.find(|c: char| !c.is_ascii_whitespace() && c != '/').unwrap_or(rest.len());
            let (blank, from) = rest.split_at(begin);
            out.push_str(blank);
            if from.is_empty() || from.starts_with('>') {
                out.push_str(from);
                break;
            }
            let ends = |c: char| c.is_ascii_whitespace() || matches!(c, '=' | '>' | '/');
            // A name may begin with `=`, which is then a part of it.
            let end = from.char_indices().skip(1).find(|(_, c)| ends(*c)).map_or(from.len(), |(at, _)| at);
            let (attribute, from) = from.split_at(end);
            out.push_str(attribute);
            let Some(equals) = from.find(|c: char| !c.is_ascii_whitespace()).filter(|at| from[*at..].starts_with('='))
            else {
                rest = from;
                continue;
            };
            let value_at =
                from[equals + 1..].find(|c: char| !c.is_ascii_whitespace()).map_or(from.len(), |at| equals + 1 + at);
            let (between, from) = from.split_at(value_at);
            out.push_str(between);
            let (value, quote, from) = value(from);
            let is_link = attributes.iter().any(|known| known.eq_ignore_ascii_case(attribute));
            let led = if is_link { self.links.rewritten(value) } else { None };
            out.push_str(quote);
            out.push_str(led.as_deref().unwrap_or(value));
            out.push_str(quote);
            rest = from;
        }
        out
    }
}

/// The value at the front, the quotes around it, and what comes after.
fn value(from: &str) -> (&str, &str, &str) {
    for quote in ["\"", "'"] {
        if let Some((value, rest)) = from.strip_prefix(quote).and_then(|inner| inner.split_once(quote)) {
            return (value, quote, rest);
        }
    }
    let end = from.find(|c: char| c.is_ascii_whitespace() || c == '>').unwrap_or(from.len());
    let (value, rest) = from.split_at(end);
    (value, "", rest)
}

fn is_space(byte: u8) -> bool {
    byte.is_ascii_whitespace()
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// The length of the tag at the front; a `>` in quotes is not its end.
fn whole(tag: &[u8]) -> Option<usize> {
    let (mut quote, mut after_equals) = (None, false);
    for (at, byte) in tag.iter().enumerate() {
        match (quote, byte) {
            (Some(open), byte) if open == *byte => quote = None,
            (Some(_), _) => {}
            (None, b'>') => return Some(at + 1),
            (None, b'"' | b'\'') if after_equals => quote = Some(*byte),
            _ => {}
        }
        after_equals = *byte == b'=' || (after_equals && is_space(*byte));
    }
    None
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn page() -> Page {
        let links = Links { prefix: "/p".into(), server: "10.0.0.1:80".into(), host: "k:1".into() };
        Page { links, held: Vec::new(), text: None }
    }

    const PAGE: &str = "<!DOCTYPE html><!-- <a href=\"/no\"> --><html><HEAD><title>a < b</title>\
        <link rel=stylesheet href=/s.css/><script src='/j.js'>if (a</b/ && \"<a href='/no'>\") {}</script>\
        <body data-x=\"/no\"><a class=\"x>y\" href = \"/a?b=1&amp;c\">1 < 2</a><a href=\"rel\">é</a>\
        <img alt src=\"//10.0.0.1:80/i\"/><p href=\"/no\"><a href=\"http://other/x\">";
    const LED: &str = "<!DOCTYPE html><!-- <a href=\"/no\"> --><html><HEAD><title>a < b</title>\
        <link rel=stylesheet href=/p/s.css/><script src='/p/j.js'>if (a</b/ && \"<a href='/no'>\") {}</script>\
        <body data-x=\"/no\"><a class=\"x>y\" href = \"/p/a?b=1&amp;c\">1 < 2</a><a href=\"rel\">é</a>\
        <img alt src=\"/p/i\"/><p href=\"/no\"><a href=\"http://other/x\">";

    #[test]
    fn links_are_put_right_wherever_the_page_is_cut() {
        for size in 1..PAGE.len() {
            let mut page = page();
            let mut out: Vec<u8> = PAGE.as_bytes().chunks(size).flat_map(|piece| page.push(piece)).collect();
            out.append(&mut page.held);
            assert_eq!(String::from_utf8_lossy(&out), LED, "pieces of {size}");
        }
    }

    #[test]
    fn a_compressed_page_is_read() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(PAGE.as_bytes()).unwrap();
        let bytes = encoder.finish().unwrap();
        let mut decoder = Decoder::Gzip(MultiGzDecoder::new(page().into()));
        let mut out = Vec::new();
        for piece in bytes.chunks(7) {
            out.extend(decoder.push(piece).unwrap());
        }
        out.extend(decoder.finish().unwrap());
        assert_eq!(String::from_utf8_lossy(&out), LED);
    }

    #[test]
    fn what_is_no_page_passes() {
        for text in ["<", "a<", "<a href=\"/x", "< a href=/x>", "</", "<script>", "<!-", "\u{0}<\u{0}"] {
            let mut page = page();
            let mut out = page.push(text.as_bytes());
            out.append(&mut page.held);
            assert_eq!(out, text.as_bytes(), "{text}");
        }
    }
}

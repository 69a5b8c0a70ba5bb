//! get, list and watch.

use std::time::Duration;

use bytes::Bytes;
use hyper::Response;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::super::body::{self, Body, BoxError};
use super::super::negotiate::{Encoding, Form, Shape};
use super::super::show::{Include, Show, write_value};
use super::super::{Context, proto};
use crate::registry::Target;
use crate::registry::filter::Filter;
use crate::registry::list::{Continue, ListOptions, Lister, parse_version};
use crate::registry::watch::{Event, Watcher};
use crate::schema::field::{Errors, Path};
use crate::schema::status::Status;
use crate::store::EventKind;

/// Bytes of a list that are gathered before they are sent.
const CHUNK: usize = 32 * 1024;

/// How long a watch lasts where the client does not say.
const WATCH_SECONDS: u64 = 1800;

/// Between bookmarks of a quiet watch.
const BOOKMARK_SECONDS: u64 = 60;

/// One object.
pub async fn get(cx: &Context<'_>, target: &Target) -> Result<Response<Body>, Status> {
    let show = cx.show(&target.kind)?;
    let record = cx.api.registry().get(target).await?;
    if cx.form == Form::JSON && target.kind.conversion.is_none() {
        let mut bytes = Vec::with_capacity(record.size() + 64);
        record.render(&mut bytes);
        return Ok(body::response(200, "application/json", body::full(bytes)));
    }
    let object = record.to_value();
    Ok(body::object(200, cx.form, show.one(&object)?.as_ref()))
}

/// A list, sent as it is read.
pub async fn list(cx: &Context<'_>) -> Result<Response<Body>, Status> {
    let kind = &cx.kind;
    let filter = cx.filter()?;
    let options = list_options(cx, filter.namespace())?;
    let show = cx.show(kind)?;
    show.check_list()?;
    let lister = cx.api.registry().list(kind, filter, options).await?;
    if cx.form.encoding != Encoding::Json || cx.form.pretty {
        let list = gather(lister, &show).await?;
        return Ok(body::object(200, cx.form, &list));
    }
    let (version, list_kind) = show.list_type();
    let mut head = Vec::with_capacity(CHUNK);
    if cx.form.shape == Shape::Table {
        let mut table = show.table_head();
        if let Some(map) = table.as_object_mut() {
            map.remove("rows");
            map.remove("metadata");
        }
        write_value(&table, &mut head);
        head.pop();
        head.extend_from_slice(b",\"rows\":[");
    } else {
        write_value(&json!({"kind": list_kind, "apiVersion": version}), &mut head);
        head.pop();
        head.extend_from_slice(b",\"items\":[");
    }
    let state = Listing { lister, show, buffer: head, first: true, done: false };
    let chunks = futures_util::stream::unfold(state, |mut state| async move {
        if state.done {
            return None;
        }
        let chunk = state.chunk().await;
        Some((chunk, state))
    });
    Ok(body::response(200, "application/json", body::stream(chunks)))
}

struct Listing {
    lister: Lister,
    show: Show,
    buffer: Vec<u8>,
    first: bool,
    done: bool,
}

impl Listing {
    async fn chunk(&mut self) -> Result<Bytes, BoxError> {
        while self.buffer.len() < CHUNK {
            match self.lister.next().await {
                Ok(Some(record)) => {
                    if !self.first {
                        self.buffer.push(b',');
                    }
                    self.first = false;
                    self.show.item(&record, &mut self.buffer);
                }
                Ok(None) => {
                    if self.first && self.show.form().shape == Shape::Table && self.show.null_rows() {
                        self.buffer.pop();
                        self.buffer.extend_from_slice(b"null,\"metadata\":");
                    } else {
                        self.buffer.extend_from_slice(b"],\"metadata\":");
                    }
                    write_value(&list_meta(&self.lister, &self.show), &mut self.buffer);
                    self.buffer.extend_from_slice(b"}\n");
                    self.done = true;
                    break;
                }
                Err(status) => {
                    self.done = true;
                    return Err(status.into());
                }
            }
        }
        Ok(Bytes::from(std::mem::take(&mut self.buffer)))
    }
}

fn list_meta(lister: &Lister, show: &Show) -> Value {
    let mut meta = Map::new();
    if !show.is_stored() {
        return Value::Object(meta);
    }
    meta.insert("resourceVersion".into(), lister.revision().to_string().into());
    if let Some((next, remaining)) = lister.rest() {
        meta.insert("continue".into(), next.encode().into());
        if let Some(remaining) = remaining {
            meta.insert("remainingItemCount".into(), remaining.into());
        }
    }
    Value::Object(meta)
}

/// The whole list as a tree, for the encodings that are not streamed.
async fn gather(mut lister: Lister, show: &Show) -> Result<Value, Status> {
    let mut items = Vec::new();
    let mut bytes = Vec::new();
    while let Some(record) = lister.next().await? {
        bytes.clear();
        show.item(&record, &mut bytes);
        items.push(serde_json::from_slice(&bytes).map_err(Status::internal)?);
    }
    let (version, kind) = show.list_type();
    if show.form().shape == Shape::Table {
        let mut table = show.table_head();
        table["rows"] = if items.is_empty() && show.null_rows() { Value::Null } else { Value::Array(items) };
        table["metadata"] = list_meta(&lister, show);
        return Ok(table);
    }
    Ok(json!({"kind": kind, "apiVersion": version, "metadata": list_meta(&lister, show), "items": items}))
}

/// `limit`, `continue`, `resourceVersion` and `resourceVersionMatch` of a list.
pub fn list_options(cx: &Context<'_>, namespace: Option<&str>) -> Result<ListOptions, Status> {
    let query = &cx.query;
    let version = query.text("resourceVersion");
    let matching = query.text("resourceVersionMatch");
    let next = query.text("continue");
    let mut errors = Errors::new();
    let path = Path::new("resourceVersionMatch");
    if query.get("sendInitialEvents").is_some() {
        errors.forbidden(&Path::new("sendInitialEvents"), "sendInitialEvents is forbidden for list");
    }
    if !matching.is_empty() {
        if version.is_empty() {
            errors.forbidden(&path, "resourceVersionMatch is forbidden unless resourceVersion is provided");
        }
        if !next.is_empty() {
            errors.forbidden(&path, "resourceVersionMatch is forbidden when continue is provided");
        }
        if matching != "Exact" && matching != "NotOlderThan" {
            errors.not_supported(&path, &matching.into(), &["Exact", "NotOlderThan"]);
        }
        if matching == "Exact" && version == "0" {
            errors.forbidden(&path, "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"");
        }
    }
    refuse_options(&errors)?;
    let limit = query.text("limit");
    let limit: i64 = if limit.is_empty() { 0 } else { limit.parse().map_err(|_| bad_number(limit))? };
    let revision = parse_version(version)?;
    let mut options = ListOptions { limit: usize::try_from(limit).unwrap_or(0), ..ListOptions::default() };
    if !next.is_empty() {
        if !version.is_empty() && version != "0" {
            return Err(Status::bad_request("specifying resource version is not allowed when using continue"));
        }
        options.next = Some(Continue::decode(next, namespace)?);
        return Ok(options);
    }
    match matching {
        "Exact" => options.exact = revision,
        // Without a word on matching, a limited list at a version is that version's, as upstream has it.
        "" if limit > 0 && revision.is_some() => options.exact = revision,
        _ => options.not_older = revision,
    }
    Ok(options)
}

fn bad_number(text: &str) -> Status {
    Status::bad_request(format!("strconv.ParseInt: parsing {text:?}: invalid syntax"))
}

fn refuse_options(errors: &Errors) -> Result<(), Status> {
    if errors.is_empty() { Ok(()) } else { Err(Status::invalid("meta.k8s.io", "ListOptions", "", errors)) }
}

/// A watch: a line (or a frame) for each event, until the time is up.
pub async fn watch(cx: &Context<'_>) -> Result<Response<Body>, Status> {
    let query = &cx.query;
    let kind = &cx.kind;
    let version = query.text("resourceVersion");
    let initial = query.get("sendInitialEvents").map(|_| query.flag("sendInitialEvents"));
    check_watch(cx, initial)?;
    let filter = cx.filter()?;
    let mut show = cx.show(kind)?;
    let from = parse_version(version)?;
    let seconds = query.text("timeoutSeconds").parse().ok().filter(|s| *s > 0).unwrap_or(WATCH_SECONDS);
    let media = match cx.form.encoding {
        Encoding::Protobuf => "application/vnd.kubernetes.protobuf;stream=watch",
        _ => "application/json",
    };
    // Without a version (or with 0) a watch begins with what is there.
    let lists = initial == Some(true) || (initial.is_none() && from.is_none());
    let registry = cx.api.registry();
    show.refresh();
    let mut stream = Stream {
        state: State::Watching,
        lister: None,
        watcher: None,
        show,
        bookmarks: query.flag("allowWatchBookmarks"),
        end_mark: initial == Some(true) && query.flag("allowWatchBookmarks"),
        first: true,
        until: Instant::now() + Duration::from_secs(seconds),
        marked: Instant::now(),
        stopping: cx.api.stopping(),
    };
    if lists {
        let options = ListOptions { not_older: from, ..ListOptions::default() };
        let lister = match registry.list(kind, filter.clone(), options).await {
            Err(status) if status.code == 504 => return Err(status),
            other => other?,
        };
        stream.watcher = Some(registry.watch(kind, filter, Some(lister.revision()))?);
        stream.lister = Some(lister);
    } else {
        match registry.watch(kind, filter, from) {
            Ok(watcher) => stream.watcher = Some(watcher),
            Err(status) => stream.state = State::Failing(status),
        }
    }
    let chunks = futures_util::stream::unfold(stream, |mut stream| async move {
        let chunk = stream.next().await?;
        Some((Ok(chunk), stream))
    });
    Ok(body::response(200, media, body::stream(chunks)))
}

fn check_watch(cx: &Context<'_>, initial: Option<bool>) -> Result<(), Status> {
    let query = &cx.query;
    let matching = query.text("resourceVersionMatch");
    let path = Path::new("resourceVersionMatch");
    let mut errors = Errors::new();
    if initial.is_some() && matching.is_empty() {
        errors.forbidden(&path, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
    }
    if !matching.is_empty() {
        if initial.is_none() {
            errors.forbidden(&path, "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided");
        } else if matching != "NotOlderThan" {
            errors.forbidden(&path, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
        }
        if matching != "NotOlderThan" {
            errors.not_supported(&path, &matching.into(), &["NotOlderThan"]);
        }
    }
    if !query.text("continue").is_empty() {
        errors.forbidden(&path, "resourceVersionMatch is forbidden when continue is provided");
    }
    refuse_options(&errors)
}

enum State {
    Watching,
    Failing(Status),
    Ended,
}

struct Stream {
    state: State,
    lister: Option<Lister>,
    watcher: Option<Watcher>,
    show: Show,
    bookmarks: bool,
    end_mark: bool,
    first: bool,
    until: Instant,
    marked: Instant,
    stopping: tokio::sync::watch::Receiver<bool>,
}

impl Stream {
    /// The next piece of the body; `None` ends it.
    async fn next(&mut self) -> Option<Bytes> {
        match std::mem::replace(&mut self.state, State::Watching) {
            State::Ended => return None,
            State::Failing(status) => {
                self.state = State::Ended;
                return Some(self.frame("ERROR", &status.to_value()));
            }
            State::Watching => {}
        }
        if self.lister.is_some() {
            return Some(self.initial().await);
        }
        let mark = self.marked + Duration::from_secs(BOOKMARK_SECONDS);
        let wake = if self.bookmarks { mark.min(self.until) } else { self.until };
        let watcher = self.watcher.as_mut()?;
        let event = tokio::select! {
            event = watcher.next() => Some(event?),
            () = tokio::time::sleep_until(wake) => None,
            _ = self.stopping.wait_for(|stopping| *stopping) => return None,
        };
        match event {
            Some(Ok(event)) => Some(self.event(&event)),
            Some(Err(status)) => {
                self.state = State::Ended;
                Some(self.frame("ERROR", &status.to_value()))
            }
            None if wake == self.until => None,
            None => {
                let revision = watcher.position();
                self.marked = Instant::now();
                let bookmark = self.show.bookmark(revision, false, self.first);
                Some(self.frame("BOOKMARK", &bookmark))
            }
        }
    }

    /// What is there already, a chunk at a time, then the bookmark that says so.
    async fn initial(&mut self) -> Bytes {
        let mut out = Vec::new();
        let Some(mut lister) = self.lister.take() else { return Bytes::new() };
        loop {
            match lister.next().await {
                Ok(Some(record)) => {
                    self.write_event("ADDED", &mut out, |show, first, out| show.event(&record, first, out));
                    if out.len() >= CHUNK {
                        self.lister = Some(lister);
                        break;
                    }
                }
                Ok(None) => {
                    if self.end_mark {
                        let bookmark = self.show.bookmark(lister.revision(), true, self.first);
                        self.write_event("BOOKMARK", &mut out, |_, _, out| write_value(&bookmark, out));
                    }
                    break;
                }
                Err(status) => {
                    self.state = State::Ended;
                    let status = status.to_value();
                    self.write_event("ERROR", &mut out, |_, _, out| write_value(&status, out));
                    break;
                }
            }
        }
        Bytes::from(out)
    }

    fn event(&mut self, event: &Event) -> Bytes {
        let kind = match event.kind {
            EventKind::Added => "ADDED",
            EventKind::Modified => "MODIFIED",
            EventKind::Deleted => "DELETED",
        };
        self.show.refresh();
        let mut out = Vec::with_capacity(event.record.size() + 64);
        self.write_event(kind, &mut out, |show, first, out| show.event(&event.record, first, out));
        Bytes::from(out)
    }

    fn frame(&mut self, kind: &str, object: &Value) -> Bytes {
        let mut out = Vec::new();
        self.write_event(kind, &mut out, |_, _, out| write_value(object, out));
        Bytes::from(out)
    }

    fn write_event(&mut self, kind: &str, out: &mut Vec<u8>, object: impl FnOnce(&Show, bool, &mut Vec<u8>)) {
        let first = std::mem::replace(&mut self.first, false);
        if self.show.form().encoding == Encoding::Protobuf {
            let mut bytes = Vec::new();
            object(&self.show, first, &mut bytes);
            let value: Value = serde_json::from_slice(&bytes).unwrap_or_default();
            out.extend_from_slice(&proto::frame(kind, &value));
            return;
        }
        out.extend_from_slice(b"{\"type\":\"");
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(b"\",\"object\":");
        object(&self.show, first, out);
        out.extend_from_slice(b"}\n");
    }
}

impl Context<'_> {
    /// The filter that the path and the selectors of the query make.
    ///
    /// # Errors
    /// 400 for selectors that do not parse or do not fit the kind.
    pub fn filter(&self) -> Result<Filter, Status> {
        let info = &self.info;
        let namespace = (!info.namespace.is_empty() && self.kind.is_namespaced()).then_some(info.namespace.as_str());
        let mut fields = self.query.text("fieldSelector").to_owned();
        if info.legacy_watch && info.named {
            let name = format!("metadata.name={}", info.name);
            fields = if fields.is_empty() { name } else { format!("{fields},{name}") };
        }
        Filter::new(&self.kind, namespace, self.query.text("labelSelector"), &fields)
    }

    /// How answers about `kind` are shown.
    ///
    /// # Errors
    /// 400 for a wrong `includeObject`.
    pub fn show(&self, kind: &std::sync::Arc<crate::kinds::Kind>) -> Result<Show, Status> {
        Ok(Show::new(kind, self.form, Include::parse(self.query.text("includeObject"))?))
    }

    /// The target that the path names.
    #[must_use]
    pub fn target(&self) -> Target {
        let namespace = if self.kind.is_namespaced() { self.info.namespace.as_str() } else { "" };
        Target::new(&self.kind, namespace, &self.info.name)
    }
}

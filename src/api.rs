//! The Kubernetes API over HTTP: connections, who asks, what for, and in which form the answer goes
//! out. It decides nothing about objects (the registry does) and does not know the engine.
//!
//! ```text
//! server → authn → request (what is asked) → authz → verbs → registry
//!                                                 └→ discovery, openapi, health, proxy
//! ```

pub mod audit;
pub mod authn;
pub mod authz;
pub mod body;
pub mod decode;
pub mod discovery;
mod documents;
pub mod health;
mod index;
pub mod metrics;
pub mod negotiate;
mod oidc;
pub mod openapi;
pub mod proto;
pub mod proxy;
pub mod request;
pub mod server;
pub mod show;
pub mod streams;
pub mod trace;
pub mod usage;
pub mod verbs;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Body as HttpBody;
use hyper::header::{HeaderValue, WARNING};
use hyper::upgrade::OnUpgrade;
use hyper::{HeaderMap, Method, Request, Response, Uri};
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::kinds::Kind;
use crate::registry::{Registry, User, WriteOptions};
use crate::schema::status::Status;

use body::{Body, BoxError};
use negotiate::Form;
use request::{Query, RequestInfo};
use trace::Trace;

/// The API; cheap to clone.
#[derive(Clone)]
pub struct Api(Arc<Inner>);

struct Inner {
    registry: Registry,
    authenticator: authn::Authenticator,
    settings: Settings,
    stopping: watch::Receiver<bool>,
    requests: metrics::Counters,
}

/// What the API must be told.
pub struct Settings {
    /// Where the server can be reached, as discovery tells it.
    pub address: String,
    /// Bytes of a body, above which a request is refused.
    pub max_body: usize,
    /// Makes tokens.
    pub issuer: Box<dyn authn::Issuer>,
    /// Talks to containers; `None` where no pods run.
    pub streams: Option<Arc<dyn streams::PodStreams>>,
    /// Measures what pods use; `None` where no pods run.
    pub meter: Option<Arc<dyn usage::Meter>>,
    /// Which requests are logged.
    pub audit: audit::Audit,
    /// What the parts beside the API say of themselves.
    pub vitals: Arc<dyn metrics::Vitals>,
}

/// What a verb needs to know of its request.
pub struct Context<'a> {
    /// The API.
    pub api: &'a Api,
    /// What is asked.
    pub info: RequestInfo,
    /// Parameters.
    pub query: Query,
    /// Headers.
    pub headers: HeaderMap,
    /// Who asks.
    pub user: Arc<User>,
    /// The form of the answer.
    pub form: Form,
    /// The kind that the path names.
    pub kind: Arc<Kind>,
    /// Method.
    pub method: Method,
    /// Path and query as they were sent.
    pub uri: Uri,
    /// Where the client is.
    pub peer: Option<IpAddr>,
    /// The name of what was made.
    pub made: OnceLock<String>,
    /// The connection, for those who take it over.
    upgrade: Mutex<Option<OnUpgrade>>,
    /// The body of a request that is handed on as it comes.
    body: Mutex<Option<Body>>,
}

impl Api {
    /// An API over `registry`; watches end when `stopping` becomes true.
    #[must_use]
    pub fn new(
        registry: Registry,
        authenticator: authn::Authenticator,
        settings: Settings,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        let requests = metrics::Counters::default();
        Self(Arc::new(Inner { registry, authenticator, settings, stopping, requests }))
    }

    /// The registry below.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.0.registry
    }

    /// What knows users.
    #[must_use]
    pub fn authenticator(&self) -> &authn::Authenticator {
        &self.0.authenticator
    }

    /// What makes tokens.
    #[must_use]
    pub fn issuer(&self) -> &dyn authn::Issuer {
        self.0.settings.issuer.as_ref()
    }

    /// What talks to containers.
    #[must_use]
    pub fn streams(&self) -> Option<Arc<dyn streams::PodStreams>> {
        self.0.settings.streams.clone()
    }

    /// What measures.
    #[must_use]
    pub fn meter(&self) -> Option<Arc<dyn usage::Meter>> {
        self.0.settings.meter.clone()
}

    /// What the parts beside the API say of themselves.
    #[must_use]
    pub fn vitals(&self) -> &dyn metrics::Vitals {
        self.0.settings.vitals.as_ref()
    }

    /// Where requests are counted.
    #[must_use]
    pub fn requests(&self) -> &Arc<metrics::Requests> {
        &self.0.requests
    }

    /// Becomes true when the server stops.
    #[must_use]
    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.0.stopping.clone()
    }

    /// Answers one request of a connection whose client showed `certificate`.
    pub async fn handle<B>(&self, request: Request<B>, peer: authn::Peer) -> Response<Body>
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let form = negotiate::negotiate(request.headers(), true, false).unwrap_or(Form::JSON);
        let pretty = Query::parse(request.uri().query().unwrap_or_default()).flag("pretty");
        let form = Form { pretty: form.pretty || pretty, ..form };
        let bare = *request.method() == Method::HEAD;
        let begin = Instant::now();
        let under_way = self.requests().begin(!bare && *request.method() != Method::GET);
        let mut trace = Trace::default();
        let response = match self.answer(request, peer, &mut trace).await {
            Ok(response) => response,
            Err(status) => body::failure(form, &status),
        };
        drop(under_way);
        let code = response.status().as_u16();
        self.0.settings.audit.record(&trace, code);
        let lasts = trace.info.verb == "watch" || trace.is_connecting();
        self.requests().answered(&trace, code, (!lasts).then(|| begin.elapsed()));
        let response = if lasts && code < 300 {
            let running = self.requests().running(trace);
            response.map(|body| body::holding(body, running))
        } else {
            response
        };
        // HTTP/2 takes a body after HEAD for a fault of the connection.
        if bare { response.map(|_| body::full(Bytes::new())) } else { response }
    }

    async fn answer<B>(
        &self,
        mut request: Request<B>,
        peer: authn::Peer,
        trace: &mut Trace,
    ) -> Result<Response<Body>, Status>
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let upgrade = Mutex::new(Some(hyper::upgrade::on(&mut request)));
        let (parts, body) = request.into_parts();
        let path = parts.uri.path().to_owned();
        let query = Query::parse(parts.uri.query().unwrap_or_default());
        let info = RequestInfo::new(&parts.method, &path, &query);
        *trace = Trace::new(&parts.method, &info, &query, &parts.headers, peer.address);
        let known = self.registry().catalog();
        if let Some(kind) = known.resource(&info.group, &info.version, &info.resource) {
            trace.set_kind(kind);
        }
        let user = self.0.authenticator.authenticate(&parts.headers, &peer).await?;
        trace.user.clone_from(&user.name);
        if user.name == authn::ANONYMOUS && authz::impersonates(&parts.headers) {
            return Err(Status::unauthorized());
        }
        let user = authz::impersonate(self, user, &parts.headers).await?;
        if user.name != trace.user {
            trace.impersonated = Some(user.name.clone());
        }
        authz::authorize(self, &user, &info, &parts.headers).await?;
        // Read before anything is refused: a body that is left unread ends the connection.
        let upgrades = parts.headers.contains_key(hyper::header::UPGRADE);
        let proxied = proxy::is_proxy(&info.group, &info.resource, &info.subresource);
        let (bytes, body) = match proxied {
            true => (Bytes::new(), Some(body.map_err(Into::into).boxed_unsync())),
            false if upgrades => (Bytes::new(), None),
            false => (body::read(body, self.0.settings.max_body).await?, None),
        };
        if info.is_resource && *self.0.stopping.borrow() {
            // A watch that began now would end at once, and its client would list again.
            return Err(Status::too_many_requests("The apiserver is shutting down, please try again later.", 1));
        }
        if !info.is_resource {
            return self.document(&parts.method, &path, &parts.headers, &query).await;
        }
        let catalog = known;
        let kind = match catalog.resource(&info.group, &info.version, &info.resource) {
            Some(kind) => Arc::clone(kind),
            None if info.group.is_empty() || catalog.groups().iter().any(|(group, _)| *group == info.group) => {
                return Err(Status::unknown_resource());
            }
            None => return Ok(no_page()),
        };
        route(&parts.method, &info, &kind, &path)?;
        let form = negotiate::negotiate(&parts.headers, true, info.verb == "watch")?;
        let form = Form { pretty: form.pretty || query.flag("pretty"), ..form };
        let cx = Context {
            api: self,
            info,
            query,
            headers: parts.headers,
            user: Arc::new(user),
            form,
            kind,
            method: parts.method,
            uri: parts.uri,
            peer: peer.address.map(|address| address.ip().to_canonical()),
            upgrade,
            body: Mutex::new(body),
            made: OnceLock::new(),
        };
        let mut response = match dispatch(&cx, bytes).await {
            Ok(response) => response,
            Err(status) => body::failure(cx.form, &status),
        };
        trace.made = cx.made.get().cloned();
        if let Some(rest) = cx.take_body() {
            body::skip(rest, self.0.settings.max_body).await;
        }
        if !cx.kind.deprecated.is_empty() {
            warn(&mut response, &[cx.kind.deprecated.to_string()]);
        }
        Ok(response)
    }
}

/// Runs the verb of a request about a resource.
async fn dispatch(cx: &Context<'_>, bytes: Bytes) -> Result<Response<Body>, Status> {
    if proxy::is_proxy(&cx.info.group, &cx.info.resource, &cx.info.subresource) {
        return proxy::answer(cx).await;
    }
    if cx.kind.group == usage::GROUP {
        return usage::answer(cx).await;
    }
    if streams::is_stream(cx) {
        return streams::answer(cx).await;
    }
    match (cx.info.verb.as_str(), cx.info.subresource.as_str()) {
        ("get", "") => verbs::read::get(cx, &cx.target()).await,
        ("list", "") => verbs::read::list(cx).await,
        ("watch", "") => streams::watched(cx, verbs::read::watch(cx).await?),
        ("get", "scale") => verbs::scale::get(cx).await,
        ("get", _) => verbs::read::get(cx, &cx.target()).await,
        _ => verbs::write::dispatch(cx, bytes).await,
    }
}

/// Whether the path is one of the resource's and the method one of the path's.
fn route(method: &Method, info: &RequestInfo, kind: &Kind, path: &str) -> Result<(), Status> {
    let namespaced = !info.namespace.is_empty() && info.resource != "namespaces";
    let proxied = proxy::is_proxy(&info.group, &info.resource, &info.subresource);
    let misplaced = if kind.is_namespaced() { info.named && !namespaced } else { namespaced };
    if misplaced || (!proxied && (path.contains("//") || !info.rest.is_empty())) {
        return Err(Status::unknown_resource());
    }
    if proxied {
        // Every method is the server's own affair.
        return Ok(());
    }
    let allowed: &[&str] = if info.subresource.is_empty() {
        kind.verbs.names()
    } else {
        kind.subresource(&info.subresource).ok_or_else(Status::unknown_resource)?.verbs
    };
    let whole = kind.is_namespaced() && !namespaced && !info.named;
    let fits = match info.verb.as_str() {
        "create" => !info.subresource.is_empty() || (!info.named && !whole),
        "update" | "patch" | "delete" => info.named,
        "deletecollection" => !whole,
        "get" => *method == Method::GET,
        "list" | "watch" => *method == Method::GET,
        _ => false,
    };
    // HEAD is no verb of the API, and an object is deleted by its collection's verb only as a whole.
    if !fits || *method == Method::HEAD || !allowed.contains(&info.verb.as_str()) {
        return Err(Status::method_not_allowed());
    }
    Ok(())
}

/// What upstream answers for a path outside of the API.
fn no_page() -> Response<Body> {
    body::text(404, "404 page not found\n")
}

/// Adds a `Warning:` header for each sentence (RFC 7234, code 299), without doubles.
pub fn warn(response: &mut Response<Body>, warnings: &[String]) {
    let mut seen: Vec<&String> = Vec::new();
    for warning in warnings {
        if seen.contains(&warning) {
            continue;
        }
        seen.push(warning);
        let text: String = warning.chars().filter(|c| !c.is_control()).collect();
        let quoted = text.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{quoted}\"")) {
            response.headers_mut().append(WARNING, value);
        }
    }
}

impl Context<'_> {
    /// The body that is handed on, once.
    fn take_body(&self) -> Option<Body> {
        self.body.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The connection, once.
    fn take_upgrade(&self) -> Option<OnUpgrade> {
        self.upgrade.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The options of a write: who, under which manager name, dry or not.
    #[must_use]
    pub fn write_options(&self, dry_run: bool) -> WriteOptions {
        let named = self.query.text("fieldManager");
        let manager = if named.is_empty() { agent(&self.headers) } else { named.to_owned() };
        WriteOptions { user: Arc::clone(&self.user), manager, dry_run }
    }

    /// An object as answer, with warnings.
    ///
    /// # Errors
    /// 406 where the object cannot be shown in the form asked for.
    pub fn answer(&self, code: u16, object: &Value, warnings: &[String]) -> Result<Response<Body>, Status> {
        let show = self.show(&self.kind)?;
        let mut response = body::object(code, self.form, show.one(object)?.as_ref());
        warn(&mut response, warnings);
        Ok(response)
    }
}

/// The manager name that a client has without saying one: its user agent up to the first `/`.
fn agent(headers: &HeaderMap) -> String {
    let agent = headers.get(hyper::header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let name = agent.split('/').next().unwrap_or_default();
    let mut end = name.len().min(128);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    if end == 0 { "unknown".into() } else { name[..end].to_owned() }
}

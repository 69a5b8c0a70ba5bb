//! Requests, counted as they end: how many, with which answers, how long they took, and how many are
//! under way.

use std::cmp::Ordering;
use std::sync::atomic::{AtomicU32, Ordering as Memory};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::text::Text;
use crate::api::trace::Trace;

/// Bounds of the times of answers, in seconds; those of upstream that the usual rules ask for.
const BOUNDS: [f64; 10] = [0.005, 0.025, 0.1, 0.4, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0];
/// Most series; what comes after that is counted without saying what it was about.
const SERIES: usize = 250;
/// Most answers that are told apart in one series.
const CODES: usize = 16;
/// Paths that are no resources and are counted by name.
const PATHS: [&str; 9] = ["/", "/api", "/apis", "/healthz", "/livez", "/metrics", "/openapi/v2", "/readyz", "/version"];

/// What requests have in common that are counted together.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Labels<'a> {
    verb: &'a str,
    group: &'a str,
    version: &'a str,
    resource: &'a str,
    subresource: &'a str,
    scope: &'a str,
    dry_run: bool,
}

impl<'a> Labels<'a> {
    fn of(trace: &'a Trace) -> Self {
        let (verb, info) = (trace.verb(), &trace.info);
        if !info.is_resource {
            let path = PATHS.iter().find(|path| **path == info.path).copied().unwrap_or_default();
            return Self { verb, subresource: path, ..Self::default() };
        }
        if !trace.known {
            return Self { verb, ..Self::default() };
        }
        Self {
            verb,
            group: &info.group,
            version: &info.version,
            resource: &info.resource,
            subresource: &info.subresource,
            scope: trace.scope(),
            dry_run: trace.dry_run,
        }
    }
}

/// What is counted of requests that have their labels in common.
#[derive(Debug)]
struct Series {
    verb: &'static str,
    scope: &'static str,
    dry_run: bool,
    /// Group, version, resource and subresource, one after another, and where the first three end.
    text: Box<str>,
    ends: [u16; 3],
    codes: Vec<(u16, u64)>,
    buckets: [u32; BOUNDS.len()],
    count: u64,
    seconds: f64,
    running: u32,
}

impl Series {
    fn new(labels: &Labels<'_>, trace: &Trace) -> Self {
        let Labels { group, version, resource, subresource, .. } = *labels;
        let text = [group, version, resource, subresource].concat();
        let end = |parts: &[&str]| u16::try_from(parts.iter().map(|part| part.len()).sum::<usize>()).unwrap_or(0);
        Self {
            verb: trace.verb(),
            scope: if labels.scope.is_empty() { "" } else { trace.scope() },
            dry_run: labels.dry_run,
            ends: [end(&[group]), end(&[group, version]), end(&[group, version, resource])],
            text: text.into(),
            codes: Vec::new(),
            buckets: [0; BOUNDS.len()],
            count: 0,
            seconds: 0.0,
            running: 0,
        }
    }

    fn labels(&self) -> Labels<'_> {
        let [group, version, resource] = self.ends.map(usize::from);
        let part = |from: usize, to: usize| self.text.get(from..to).unwrap_or_default();
        Labels {
            verb: self.verb,
            group: part(0, group),
            version: part(group, version),
            resource: part(version, resource),
            subresource: part(resource, self.text.len()),
            scope: self.scope,
            dry_run: self.dry_run,
        }
    }

    fn count(&mut self, code: u16) {
        if let Some((_, count)) = self.codes.iter_mut().find(|(known, _)| *known == code) {
            *count += 1;
        } else if self.codes.len() < CODES {
            self.codes.push((code, 1));
        }
    }

    fn time(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        self.count += 1;
        self.seconds += seconds;
        for (bucket, bound) in self.buckets.iter_mut().zip(BOUNDS) {
            *bucket = bucket.saturating_add(u32::from(seconds <= bound));
        }
    }
}

/// Requests as they are counted.
#[derive(Debug, Default)]
pub struct Requests {
    /// Sorted by labels.
    series: Mutex<Vec<Series>>,
    reading: AtomicU32,
    writing: AtomicU32,
}

/// A request that is under way; counted until it is dropped.
#[derive(Debug)]
pub struct Running {
    requests: Arc<Requests>,
    trace: Trace,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.requests.with(&self.trace, |series| series.running = series.running.saturating_sub(1));
    }
}

/// A short request that is under way; counted until it is dropped.
#[derive(Debug)]
pub struct InFlight(Arc<Requests>, bool);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.gauge(self.1).fetch_sub(1, Memory::Relaxed);
    }
}

impl Requests {
    fn lock(&self) -> MutexGuard<'_, Vec<Series>> {
        self.series.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn gauge(&self, writes: bool) -> &AtomicU32 {
        if writes { &self.writing } else { &self.reading }
    }

    /// Counts a request as under way; `writes` says whether it may change something.
    #[must_use]
    pub fn begin(self: &Arc<Self>, writes: bool) -> InFlight {
        self.gauge(writes).fetch_add(1, Memory::Relaxed);
        InFlight(Arc::clone(self), writes)
    }

    /// Counts a request that goes on after its answer has begun.
    #[must_use]
    pub fn running(self: &Arc<Self>, trace: Trace) -> Running {
        self.with(&trace, |series| series.running = series.running.saturating_add(1));
        Running { requests: Arc::clone(self), trace }
    }

    /// Counts a request that was answered; `took` is `None` for one that lasts as long as somebody wants.
    pub fn answered(&self, trace: &Trace, code: u16, took: Option<Duration>) {
        self.with(trace, |series| {
            series.count(code);
            if let Some(took) = took {
                series.time(took);
            }
        });
    }

    fn with(&self, trace: &Trace, change: impl FnOnce(&mut Series)) {
        let mut all = self.lock();
        let mut labels = Labels::of(trace);
        let mut place = all.binary_search_by(|one| one.labels().cmp(&labels));
        if place.is_err() && all.len() >= SERIES {
            labels = Labels { verb: labels.verb, ..Labels::default() };
            place = all.binary_search_by(|one| one.labels().cmp(&labels));
        }
        let at = place.unwrap_or_else(|at| {
            all.insert(at, Series::new(&labels, trace));
            at
        });
        if let Some(series) = all.get_mut(at) {
            change(series);
        }
    }

    /// Writes all figures.
    pub fn write(&self, out: &mut Text) {
        let all = self.lock();
        let name = "apiserver_request_total";
        out.counter(name, "Requests by what they were about and how they were answered.");
        for series in all.iter() {
            for (code, count) in &series.codes {
                with_labels(series, &[("code", &code.to_string())], |labels| out.sample(name, labels, count));
            }
        }
        let name = "apiserver_request_duration_seconds";
        out.histogram(name, "Time of answers to requests that end by themselves.");
        for series in all.iter().filter(|series| series.count > 0) {
            for (bound, count) in BOUNDS.iter().zip(series.buckets) {
                with_labels(series, &[("le", &bound.to_string())], |labels| {
                    out.sample("apiserver_request_duration_seconds_bucket", labels, count);
                });
            }
            with_labels(series, &[("le", "+Inf")], |labels| {
                out.sample("apiserver_request_duration_seconds_bucket", labels, series.count);
            });
            with_labels(series, &[], |labels| {
                out.sample("apiserver_request_duration_seconds_sum", labels, series.seconds);
                out.sample("apiserver_request_duration_seconds_count", labels, series.count);
            });
        }
        let name = "apiserver_longrunning_requests";
        out.gauge(name, "Requests under way that last as long as somebody wants.");
        for series in all.iter().filter(|series| series.running > 0) {
            with_labels(series, &[], |labels| out.sample(name, labels, series.running));
        }
        let name = "apiserver_current_inflight_requests";
        out.gauge(name, "Requests under way that end by themselves.");
        out.sample(name, &[("request_kind", "mutating")], self.writing.load(Memory::Relaxed));
        out.sample(name, &[("request_kind", "readOnly")], self.reading.load(Memory::Relaxed));
    }
}

fn with_labels(series: &Series, more: &[(&str, &str)], write: impl FnOnce(&[(&str, &str)])) {
    let Labels { verb, group, version, resource, subresource, scope, dry_run } = series.labels();
    let mut labels = vec![
        ("component", "apiserver"),
        ("dry_run", if dry_run { "All" } else { "" }),
        ("group", group),
        ("resource", resource),
        ("scope", scope),
        ("subresource", subresource),
        ("verb", verb),
        ("version", version),
    ];
    labels.extend_from_slice(more);
    labels.sort_by(|a, b| a.0.cmp(b.0).then(Ordering::Equal));
    write(&labels);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::request::{Query, RequestInfo};
    use hyper::{HeaderMap, Method};

    fn trace(path: &str) -> Trace {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let query = Query::parse(query);
        let info = RequestInfo::new(&Method::GET, path, &query);
        let mut trace = Trace::new(&Method::GET, &info, &query, &HeaderMap::new(), None);
        trace.known = true;
        trace
    }

    fn text(requests: &Requests) -> String {
        let mut out = Text::default();
        requests.write(&mut out);
        out.finish()
    }

    #[test]
    fn requests_are_counted_by_what_they_were_about() {
        let requests = Requests::default();
        let pods = trace("/api/v1/namespaces/a/pods");
        requests.answered(&pods, 200, Some(Duration::from_millis(30)));
        requests.answered(&pods, 200, Some(Duration::from_millis(3)));
        requests.answered(&pods, 403, Some(Duration::from_millis(3)));
        requests.answered(&trace("/apis/apps/v1/deployments"), 200, None);
        let text = text(&requests);
        let labels = "component=\"apiserver\",dry_run=\"\",group=\"\"";
        let rest = "resource=\"pods\",scope=\"namespace\",subresource=\"\",verb=\"LIST\",version=\"v1\"";
        for line in [
            format!("apiserver_request_total{{code=\"200\",{labels},{rest}}} 2\n"),
            format!("apiserver_request_total{{code=\"403\",{labels},{rest}}} 1\n"),
            format!("apiserver_request_duration_seconds_bucket{{{labels},le=\"0.005\",{rest}}} 2\n"),
            format!("apiserver_request_duration_seconds_bucket{{{labels},le=\"+Inf\",{rest}}} 3\n"),
        ] {
            assert!(text.contains(&line), "{line}\n{text}");
        }
        assert!(!text.contains("duration_seconds_count{component=\"apiserver\",dry_run=\"\",group=\"apps\""));
    }

    #[test]
    fn what_is_under_way_is_counted_until_it_ends() {
        let requests = Arc::new(Requests::default());
        let running = requests.running(trace("/api/v1/pods?watch=1"));
        let short = requests.begin(true);
        let line = "verb=\"WATCH\",version=\"v1\"} 1\n";
        let writing = "apiserver_current_inflight_requests{request_kind=\"mutating\"}";
        let before = text(&requests);
        assert!(before.contains(line) && before.contains(&format!("{writing} 1\n")), "{before}");
        drop((running, short));
        let after = text(&requests);
        assert!(!after.contains(line) && after.contains(&format!("{writing} 0\n")), "{after}");
    }

    #[test]
    fn strangers_cannot_make_series() {
        let requests = Requests::default();
        for index in 0..2000 {
            let mut strange = trace(&format!("/apis/x{index}/v1/y{index}"));
            strange.known = index % 2 == 0;
            requests.answered(&strange, 404, Some(Duration::ZERO));
            requests.answered(&trace(&format!("/p{index}")), 404, Some(Duration::ZERO));
        }
        let count = requests.lock().len();
        assert!(count <= SERIES + 1, "{count} series");
        // What one series takes is what the module's head says.
        let bytes = |series: &Series| size_of::<Series>() + series.text.len() + series.codes.capacity() * 16;
        let largest = requests.lock().iter().map(bytes).max();
        assert!(largest.is_some_and(|bytes| bytes <= 400), "{largest:?}");
    }
}

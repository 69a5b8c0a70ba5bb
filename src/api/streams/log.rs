//! `GET pods/NAME/log`: the log of a container as plain text.

use bytes::Bytes;
use futures_util::StreamExt;
use hyper::Response;

use super::super::body::{self, Body, BoxError};
use super::super::request::Query;
use super::{Context, LogOptions, LogStream, pod, streams};
use crate::registry::containers;
use crate::schema::field::{Errors, Path};
use crate::schema::object::Object;
use crate::schema::status::Status;

/// Sends the log.
pub async fn answer(cx: &Context<'_>) -> Result<Response<Body>, Status> {
    let options = options(&cx.query, &cx.info.name)?;
    let pod = pod(cx).await?;
    let name = containers::choose(&pod, cx.query.text("container"))?;
    if pod.text("/spec/nodeName").is_empty() {
        // A pod that is nowhere yet has said nothing.
        let mut response = Response::new(body::full(""));
        *response.status_mut() = hyper::StatusCode::NO_CONTENT;
        return Ok(response);
    }
    let limit = options.limit_bytes;
    let log = streams(cx, &pod)?.logs(&pod, &name, options).await?;
    Ok(body::response(200, "text/plain", body::stream(limited(log, limit))))
}

/// The log up to so many bytes.
fn limited(
    log: LogStream,
    limit: Option<u64>,
) -> impl futures_util::Stream<Item = Result<Bytes, BoxError>> + Send + 'static {
    let mut left = limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
    log.take_while(move |_| std::future::ready(true)).scan((), move |(), piece| {
        let piece = match (&mut left, piece) {
            (None, piece) => Some(piece),
            (Some(0), _) => None,
            (Some(left), Ok(bytes)) => {
                let bytes = bytes.slice(..bytes.len().min(*left));
                *left -= bytes.len();
                Some(Ok(bytes))
            }
            (Some(_), Err(error)) => Some(Err(error)),
        };
        std::future::ready(piece)
    })
}

fn options(query: &Query, name: &str) -> Result<LogOptions, Status> {
    let mut errors = Errors::new();
    let tail = number(query, "tailLines")?;
    if let Some(lines) = tail.filter(|lines| *lines < 0) {
        errors.invalid(&Path::new("tailLines"), &lines.into(), "must be greater than or equal to 0");
    }
    let limit = number(query, "limitBytes")?;
    if let Some(bytes) = limit.filter(|bytes| *bytes < 1) {
        errors.invalid(&Path::new("limitBytes"), &bytes.into(), "must be greater than 0");
    }
    let seconds = number(query, "sinceSeconds")?;
    let time = query.get("sinceTime").filter(|text| !text.is_empty());
    match (seconds, time) {
        (Some(_), Some(_)) => {
            errors.forbidden(&Path::new("[]"), "at most one of `sinceTime` or `sinceSeconds` may be specified");
        }
        (Some(seconds), None) if seconds < 1 => {
            errors.invalid(&Path::new("sinceSeconds"), &seconds.into(), "must be greater than 0");
        }
        _ => {}
    }
    let stream = query.text("stream");
    if !matches!(stream, "" | "All" | "Stdout" | "Stderr") {
        errors.not_supported(&Path::new("stream"), &stream.into(), &["All", "Stderr", "Stdout"]);
    }
    if tail.is_some() && matches!(stream, "Stdout" | "Stderr") {
        errors.forbidden(&Path::new("[]"), "`tailLines` and specific `stream` are mutually exclusive for now");
    }
    if !errors.is_empty() {
        return Err(Status::invalid("", "PodLogOptions", name, &errors));
    }
    let since_time = match time {
        Some(text) => Some(text.parse().map_err(|error| Status::bad_request(format!("sinceTime: {error}")))?),
        None => None,
    };
    Ok(LogOptions {
        follow: query.flag("follow"),
        previous: query.flag("previous"),
        since_seconds: seconds,
        since_time,
        tail_lines: tail.and_then(|lines| u64::try_from(lines).ok()),
        limit_bytes: limit.and_then(|bytes| u64::try_from(bytes).ok()),
        timestamps: query.flag("timestamps"),
        stdout: stream != "Stderr",
        stderr: stream != "Stdout",
    })
}

fn number(query: &Query, key: &str) -> Result<Option<i64>, Status> {
    let Some(text) = query.get(key).filter(|text| !text.is_empty()) else { return Ok(None) };
    text.parse()
        .map(Some)
        .map_err(|_| Status::bad_request(format!("strconv.ParseInt: parsing {text:?}: invalid syntax")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_numbers_are_told_with_their_field() {
        let status = options(&Query::parse("tailLines=-1"), "gw").expect_err("negative");
        assert_eq!(
            status.message,
            "PodLogOptions \"gw\" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0"
        );
        let both = options(&Query::parse("sinceSeconds=1&sinceTime=2024-01-01T00:00:00Z"), "gw").expect_err("both");
        assert!(both.message.contains("at most one of"));
    }

    #[tokio::test]
    async fn a_limit_cuts_the_log() {
        let pieces: Vec<Result<Bytes, BoxError>> = vec![Ok(Bytes::from("abc")), Ok(Bytes::from("def"))];
        let log: LogStream = futures_util::stream::iter(pieces).boxed();
        let sent: Vec<_> = limited(log, Some(4)).map(|piece| piece.unwrap_or_default()).collect().await;
        assert_eq!(sent.concat(), b"abcd");
    }
}

//! The health check of gRPC (`grpc.health.v1.Health/Check`), as a probe asks for it.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::net::TcpStream;

use super::LIMIT;
use crate::host::dial::cause;
use crate::schema::object::Object;

/// `SERVING` of `HealthCheckResponse.ServingStatus`.
const SERVING: u8 = 1;

/// Asks a server whether a service is well; the error is what the event says.
pub(super) async fn check(call: &Value, address: &str, time: Duration) -> Result<(), String> {
    let port = call.int("/port").and_then(|port| u16::try_from(port).ok()).ok_or("the port is not known")?;
    let asking = ask(address, port, call.text("/service"));
    match tokio::time::timeout(time, asking).await {
        Ok(result) => result,
        Err(_) => Err(format!("timeout: health rpc did not complete within {}s", time.as_secs())),
    }
}

async fn ask(address: &str, port: u16, service: &str) -> Result<(), String> {
    let failed = |error: hyper::Error| format!("error: health rpc probe failed: {error}");
    let stream = TcpStream::connect((address, port)).await.map_err(|error| {
        let place = format!("{address}:{port}");
        format!("error: failed to connect service \"{place}\": dial tcp {place}: connect: {}", cause(&error))
    })?;
    let (mut send, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.map_err(failed)?;
    let exchange = async {
        let request = Request::post(format!("http://{address}:{port}/grpc.health.v1.Health/Check"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("user-agent", "kube-probe/1.37")
            .body(Full::new(message(service)))
            .map_err(|error| error.to_string())?;
        let response = send.send_request(request).await.map_err(failed)?;
        let told = response.headers().get("grpc-status").cloned();
        let body = Limited::new(response.into_body(), LIMIT).collect().await.map_err(|error| error.to_string())?;
        let told = body.trailers().and_then(|trailers| trailers.get("grpc-status")).cloned().or(told);
        judge(told.as_ref().map(|code| code.as_bytes()), &body.to_bytes())
    };
    tokio::select! {
        biased;
        result = exchange => result,
        ended = connection => Err(format!("error: health rpc probe failed: {ended:?}")),
    }
}

/// A `HealthCheckRequest` in its frame: the name of the service is field 1.
fn message(service: &str) -> Bytes {
    let mut body = Vec::new();
    if let (false, Ok(length)) = (service.is_empty(), u8::try_from(service.len().min(127))) {
        body.extend([0x0a, length]);
        body.extend(service.bytes().take(length.into()));
    }
    let length = u32::try_from(body.len()).unwrap_or_default();
    let mut out = vec![0];
    out.extend(length.to_be_bytes());
    out.extend(body);
    out.into()
}

/// The status is field 1 of a `HealthCheckResponse`.
fn judge(code: Option<&[u8]>, body: &[u8]) -> Result<(), String> {
    match code {
        None | Some(b"0") => {}
        Some(b"12") => return Err("error: this server does not implement the grpc health protocol".to_owned()),
        Some(code) => return Err(format!("error: health rpc failed with code {}", String::from_utf8_lossy(code))),
    }
    match body.get(5..) {
        Some([0x08, SERVING, ..]) => Ok(()),
        Some([0x08, status, ..]) => Err(format!("service unhealthy (responded with status {status})")),
        _ => Err("service unhealthy (responded with \"UNKNOWN\")".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_name_the_service() {
        assert_eq!(&message("")[..], [0, 0, 0, 0, 0]);
        assert_eq!(&message("ab")[..], [0, 0, 0, 0, 4, 0x0a, 2, b'a', b'b']);
    }

    #[test]
    fn only_a_server_that_serves_is_well() {
        assert!(judge(Some(b"0"), &[0, 0, 0, 0, 2, 8, 1]).is_ok());
        assert!(judge(Some(b"0"), &[0, 0, 0, 0, 2, 8, 2]).is_err());
        assert!(judge(Some(b"0"), &[0, 0, 0, 0, 0]).is_err());
        assert!(judge(Some(b"12"), &[]).is_err_and(|message| message.contains("does not implement")));
    }
}

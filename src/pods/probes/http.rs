//! A request to a server in a container, for probes and hooks. Over TLS no certificate is verified, as the
//! kubelet does not either: what is asked is whether somebody answers.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::LIMIT;
use crate::host::dial::{cause, unverified};
use crate::schema::object::Object;

/// A number, or the name of a port of the container.
pub(super) fn port_of(port: &Value, container: &Value) -> Option<u16> {
    match port {
        Value::Number(number) => number.as_u64().and_then(|port| u16::try_from(port).ok()),
        Value::String(name) => {
            let found = container.list("/ports").iter().find(|one| one["name"] == name.as_str());
            let number = found.and_then(|one| one["containerPort"].as_u64());
            number.and_then(|port| u16::try_from(port).ok()).or_else(|| name.parse().ok())
        }
        _ => None,
    }
}

/// Asks a server of a container for a page; any answer from 200 to 399 is well.
pub(in crate::pods) async fn http_get(
    get: &Value,
    container: &Value,
    address: &str,
    time: Duration,
) -> Result<(), String> {
    let host = Some(get.text("/host")).filter(|host| !host.is_empty()).unwrap_or(address).to_owned();
    let port = port_of(&get["port"], container).ok_or("the port is not known")?;
    let path = get.text("/path");
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    let scheme = if get.text("/scheme").eq_ignore_ascii_case("HTTPS") { "https" } else { "http" };
    let url = format!("{scheme}://{host}:{port}{path}");
    let mut headers = String::new();
    let (mut named, mut agent) = (format!("{host}:{port}"), "kube-probe/1.37".to_owned());
    for header in get.list("/httpHeaders") {
        let (name, value) = (header.text("/name"), header.text("/value"));
        if name.contains(['\r', '\n', ':']) || value.contains(['\r', '\n']) {
            continue;
        }
        match name.to_ascii_lowercase().as_str() {
            "host" => named = value.to_owned(),
            "user-agent" => agent = value.to_owned(),
            _ => headers.push_str(&format!("{name}: {value}\r\n")),
        }
    }
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {named}\r\nUser-Agent: {agent}\r\nAccept: */*\r\nConnection: close\r\n{headers}\r\n"
    );
    let failed = |error: std::io::Error| format!("Get \"{url}\": {error}");
    let exchange = async {
        let stream = TcpStream::connect((host.as_str(), port))
            .await
            .map_err(|error| format!("Get \"{url}\": dial tcp {host}:{port}: connect: {}", cause(&error)))?;
        if scheme == "http" {
            return talk(stream, &request).await.map_err(failed);
        }
        let name = ServerName::try_from(host.clone()).map_err(|error| format!("Get \"{url}\": {error}"))?;
        let config = unverified().map_err(|error| format!("Get \"{url}\": {error}"))?;
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(failed)?;
        talk(stream, &request).await.map_err(failed)
    };
    let head = match tokio::time::timeout(time, exchange).await {
        Ok(head) => head?,
        Err(_) => {
            return Err(format!(
                "Get \"{url}\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
            ));
        }
    };
    let head = String::from_utf8_lossy(&head);
    let code = head.split_whitespace().nth(1).and_then(|code| code.parse::<u16>().ok());
    match code {
        Some(200..=399) => Ok(()),
        Some(code) => Err(format!("HTTP probe failed with statuscode: {code}")),
        None => Err(format!("Get \"{url}\": malformed HTTP response")),
    }
}

/// Sends a request and reads the first line of the answer.
async fn talk(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> std::io::Result<Vec<u8>> {
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    let mut head = Vec::with_capacity(256);
    while !head.contains(&b'\n') && head.len() < LIMIT {
        if stream.read_buf(&mut head).await? == 0 {
            break;
        }
    }
    Ok(head)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[test]
    fn ports_have_numbers_or_names() {
        let container = json!({"ports": [{"name": "web", "containerPort": 8080}]});
        assert_eq!(port_of(&json!("web"), &container), Some(8080));
        assert_eq!(port_of(&json!(80), &container), Some(80));
        assert_eq!(port_of(&json!("81"), &container), Some(81));
        assert_eq!(port_of(&json!("no"), &container), None);
    }

    async fn answer(text: &'static str) -> Result<(), String> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a client");
            let mut request = [0; 1024];
            let length = stream.read(&mut request).await.expect("a request");
            assert!(String::from_utf8_lossy(&request[..length]).contains("GET /healthz HTTP/1.1\r\nHost: me\r\n"));
            stream.write_all(text.as_bytes()).await.expect("written");
        });
        let get = json!({"path": "healthz", "port": port, "httpHeaders": [{"name": "Host", "value": "me"}]});
        http_get(&get, &Value::Null, "127.0.0.1", Duration::from_secs(5)).await
    }

    #[tokio::test]
    async fn answers_are_judged_by_their_code() {
        assert_eq!(answer("HTTP/1.1 204 No Content\r\n\r\n").await, Ok(()));
        assert_eq!(answer("HTTP/1.0 302 Found\r\n\r\n").await, Ok(()));
        assert_eq!(answer("HTTP/1.1 503 No\r\n\r\n").await, Err("HTTP probe failed with statuscode: 503".into()));
    }
}

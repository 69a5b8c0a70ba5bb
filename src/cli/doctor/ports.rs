//! Can k2d listen where it should, or does it already?

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::Finding;
use crate::cli::client::Client;
use crate::config::Config;
use crate::host::{kubeconfig, pki};

const TOPIC: &str = "port";

pub(super) fn check(config: &Config) -> Vec<Finding> {
    let authority = CertificateDer::from_pem_file(pki::folder(&config.data_dir).join("ca.crt")).ok();
    config.api.listen.iter().map(|address| look(*address, authority.as_ref())).collect()
}

fn look(address: SocketAddr, authority: Option<&CertificateDer<'static>>) -> Finding {
    match TcpListener::bind(address).map_err(|error| (error.kind(), error)) {
        Ok(_) => Finding::good(TOPIC, format!("{address} is free for k2d")),
        Err((ErrorKind::AddrInUse, _)) => match authority.and_then(|authority| greet(address, authority).ok()) {
            Some(()) => Finding::good(TOPIC, format!("k2d answers on {address} and is ready")),
            None => Finding::wrong(
                TOPIC,
                format!("{address} is in use, and no k2d of this state folder answers there, ready"),
                format!("see who listens: ss -ltnp 'sport = :{}'; or change `listen` under [api]", address.port()),
            ),
        },
        Err((ErrorKind::AddrNotAvailable, _)) => {
            Finding::wrong(TOPIC, format!("{address} is no address of this machine"), "change `listen` under [api]")
        }
        Err((ErrorKind::PermissionDenied, _)) => {
            Finding::note(TOPIC, format!("{address} is for root alone"), "run k2d as root, or choose a port over 1023")
        }
        Err((_, error)) => Finding::wrong(TOPIC, format!("{address}: {error}"), "change `listen` under [api]"),
    }
}

/// Whether a server with a certificate of this authority answers, and what it says of itself.
fn greet(address: SocketAddr, authority: &CertificateDer<'static>) -> anyhow::Result<()> {
    let client = Client::new(kubeconfig::local_address(&[address]), authority, None)?;
    match client.ask("GET", "/readyz", None)? {
        (200, _) => Ok(()),
        (status, _) => anyhow::bail!("status {status}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::files::tests::Dir;
    use crate::host::pki::{ClientVerifier, Names, Pki, server_config};
    use std::io::{Read, Write};
    use std::sync::Arc;
    use std::time::SystemTime;

    #[test]
    fn port_is_free_or_held_by_this_k2d_or_by_another_program() {
        let dir = Dir::new();
        let mut names = Names::default();
        names.add("127.0.0.1");
        let pki = Pki::open(&dir.0, &names, SystemTime::now()).unwrap();
        let authority = pki.authority().certificate();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();

        let tls = server_config(pki.server().clone(), Arc::new(ClientVerifier::new(pki.authority()).unwrap())).unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut session = rustls::ServerConnection::new(Arc::new(tls)).unwrap();
            let mut tls = rustls::Stream::new(&mut session, &mut stream);
            let mut request = [0; 512];
            assert!(tls.read(&mut request).unwrap() > 0);
            tls.write_all(b"HTTP/1.0 200 OK\r\n\r\nok").unwrap();
            drop(stream);
            let (other, _) = listener.accept().unwrap();
            drop(other);
        });
        assert!(matches!(look(address, Some(authority)), Finding::Good(_, text) if text.starts_with("k2d answers")));
        assert!(matches!(look(address, Some(authority)), Finding::Wrong(_, text, _) if text.contains("in use")));
        server.join().unwrap();
        assert!(matches!(look(address, None), Finding::Good(_, text) if text.contains("is free")));
    }
}

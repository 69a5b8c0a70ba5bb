use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;

use rcgen::{CertificateParams, DnType, KeyPair, SanType};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConnection};

use super::*;
use crate::host::files::tests::Dir;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// 2026-11-20
fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_132_800)
}

fn names(addresses: &[&str]) -> Names {
    let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
    let configured = ["plant.example".to_owned(), "198.51.100.1".to_owned()];
    Names::of_server("cluster.local", [10, 43, 0, 1].into(), &configured, &["GW-7".to_owned()], &addresses)
}

fn open(dir: &Dir) -> Pki {
    Pki::open(&dir.0, &names(&["192.0.2.7"]), now()).unwrap()
}

/// The client of a kubeconfig: trusts the authority, shows a pair.
fn client(authority_pem: &str, pair: Option<(&str, &str)>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority_pem.as_bytes()).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    Arc::new(match pair {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => builder
            .with_client_auth_cert(
                vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()],
                PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
            )
            .unwrap(),
    })
}

/// A whole handshake in memory: what the server sees of the client and the client of the server.
fn shake(
    server: &Arc<rustls::ServerConfig>,
    client: Arc<ClientConfig>,
    name: &str,
) -> Result<(Vec<CertificateDer<'static>>, CertificateDer<'static>), rustls::Error> {
    let mut server = ServerConnection::new(server.clone()).unwrap();
    let mut client = ClientConnection::new(client, ServerName::try_from(name.to_owned()).unwrap()).unwrap();
    while client.is_handshaking() || server.is_handshaking() {
        let mut wire = Vec::new();
        client.write_tls(&mut wire).unwrap();
        server.read_tls(&mut wire.as_slice()).unwrap();
        server.process_new_packets()?;
        let mut wire = Vec::new();
        server.write_tls(&mut wire).unwrap();
        client.read_tls(&mut wire.as_slice()).unwrap();
        client.process_new_packets()?;
    }
    client.writer().write_all(b"hello").unwrap();
    let mut wire = Vec::new();
    client.write_tls(&mut wire).unwrap();
    server.read_tls(&mut wire.as_slice()).unwrap();
    server.process_new_packets()?;
    let mut heard = [0; 5];
    server.reader().read_exact(&mut heard).unwrap();
    let seen = server.peer_certificates().unwrap_or_default().iter().map(|one| one.clone().into_owned()).collect();
    Ok((seen, client.peer_certificates().unwrap()[0].clone().into_owned()))
}

fn settings(pki: &Pki) -> (Arc<rustls::ServerConfig>, Arc<ClientVerifier>) {
    let clients = Arc::new(ClientVerifier::new(pki.authority()).unwrap());
    (Arc::new(server_config(pki.server().clone(), clients.clone()).unwrap()), clients)
}

fn unix(at: SystemTime) -> UnixTime {
    UnixTime::since_unix_epoch(at.duration_since(SystemTime::UNIX_EPOCH).unwrap())
}

#[test]
fn server_certificate_has_every_name() {
    let dir = Dir::new();
    let facts = open(&dir).server().facts();
    let dns: Vec<&str> = facts.names.dns.iter().map(String::as_str).collect();
    assert_eq!(
        dns,
        [
            "gw-7",
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
            "localhost",
            "plant.example"
        ]
    );
    let ips: Vec<String> = facts.names.ips.iter().map(ToString::to_string).collect();
    assert_eq!(ips, ["10.43.0.1", "127.0.0.1", "192.0.2.7", "198.51.100.1", "::1"]);
}

#[test]
fn client_trusts_the_server_by_name_and_address_now() {
    let dir = Dir::new();
    let pki = Pki::open(&dir.0, &names(&["192.0.2.7"]), SystemTime::now()).unwrap();
    let (server, _) = settings(&pki);
    for name in ["kubernetes.default.svc", "192.0.2.7", "::1", "gw-7"] {
        shake(&server, client(pki.authority().pem(), None), name).unwrap();
    }
    assert!(shake(&server, client(pki.authority().pem(), None), "192.0.2.8").is_err());
}

#[test]
fn certificate_is_swapped_under_a_running_server() {
    let dir = Dir::new();
    let now = SystemTime::now();
    let pki = Pki::open(&dir.0, &names(&["192.0.2.7"]), now).unwrap();
    let (server, _) = settings(&pki);
    let (_, first) = shake(&server, client(pki.authority().pem(), None), "192.0.2.7").unwrap();
    let wider = names(&["192.0.2.7", "192.0.2.8"]);
    assert!(matches!(pki.server().renew(pki.authority(), &wider, now), Ok(Some(Due::Names(_)))));
    let (_, second) = shake(&server, client(pki.authority().pem(), None), "192.0.2.8").unwrap();
    assert_ne!(first, second);
    assert_eq!(pki.server().renew(pki.authority(), &wider, now).unwrap(), None);
    let reopened = Pki::open(&dir.0, &wider, now).unwrap();
    assert_eq!(reopened.server().facts(), pki.server().facts(), "the new one is in the file");
}

#[test]
fn certificate_that_was_renewed_beside_the_server_is_shown_after_a_reload() {
    let dir = Dir::new();
    let pki = open(&dir);
    let new = Folder::open(&dir.0, now()).unwrap().renew_server(&names(&["192.0.2.7"]), now()).unwrap();
    assert_ne!(pki.server().facts(), new);
    pki.server().reload(pki.authority(), &names(&["192.0.2.7"]), now()).unwrap();
    assert_eq!(pki.server().facts(), new);
}

#[test]
fn certificate_is_due_for_names_age_and_clock() {
    let dir = Dir::new();
    let pki = open(&dir);
    let due = |names: &Names, at| pki.server().facts().due(pki.authority(), names, at);
    assert_eq!(due(&names(&["192.0.2.7"]), now()), None);
    assert_eq!(due(&names(&[]), now()), None, "a name too many is no reason");
    let mut missing = Names::default();
    missing.add("192.0.2.9");
    assert_eq!(due(&names(&["192.0.2.9"]), now()), Some(Due::Names(missing)));
    assert_eq!(due(&names(&[]), now() + 243 * DAY), None);
    assert_eq!(due(&names(&[]), now() + 244 * DAY), Some(Due::Age));
    assert_eq!(due(&names(&[]), now() - DAY), Some(Due::Future));
    let other = open(&Dir::new());
    assert_eq!(pki.server().facts().due(other.authority(), &names(&[]), now()), Some(Due::Authority));
}

#[test]
fn board_that_starts_in_1970_is_mended_when_its_clock_is_set() {
    let dir = Dir::new();
    let boot = SystemTime::UNIX_EPOCH + Duration::from_secs(30);
    let pki = Pki::open(&dir.0, &names(&[]), boot).unwrap();
    assert!(pki.authority().not_after() > now() + 20 * 365 * DAY);
    assert_eq!(pki.server().renew(pki.authority(), &names(&[]), now()).unwrap(), Some(Due::Age));
    assert!(pki.server().facts().not_after > now() + 364 * DAY);
}

#[test]
fn files_are_kept_private_and_mended() {
    let dir = Dir::new();
    open(&dir);
    let mode = |name: &str| files::mode(&folder(&dir.0).join(name)).unwrap();
    assert_eq!(files::mode(&dir.0), Some(0o700));
    for name in ["ca.key", "ca.crt", "server.pem"] {
        assert_eq!(mode(name), 0o600, "{name}");
        let path = folder(&dir.0).join(name);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
    }
    std::fs::set_permissions(folder(&dir.0), std::fs::Permissions::from_mode(0o755)).unwrap();
    open(&dir);
    assert_eq!(mode(""), 0o700);
    for name in ["ca.key", "ca.crt", "server.pem"] {
        assert_eq!(mode(name), 0o600, "{name}");
    }
}

#[test]
fn administrator_is_known_and_stays_the_same_until_due() {
    let dir = Dir::new();
    let pki = open(&dir);
    let (_, clients) = settings(&pki);
    let admin = pki.folder().admin(now()).unwrap();
    let identity = clients.identify(std::slice::from_ref(&admin.certificate), unix(now())).unwrap();
    assert_eq!(identity.subject.name, ADMIN_NAME);
    assert_eq!(identity.subject.groups, ["system:masters"]);
    assert!(identity.credential_id.starts_with("X509SHA256=") && identity.credential_id.len() == 11 + 64);
    assert_eq!(pki.folder().admin(now() + 243 * DAY).unwrap().certificate, admin.certificate);
    assert_ne!(pki.folder().admin(now() + 244 * DAY).unwrap().certificate, admin.certificate);
}

#[test]
fn administrator_is_made_anew_only_for_another_name() {
    let dir = Dir::new();
    let pki = open(&dir);
    let first = pki.folder().name_admin("admin", now()).unwrap();
    assert_eq!(pki.folder().name_admin("admin", now()).unwrap().certificate, first.certificate);
    assert_eq!(pki.folder().admin(now()).unwrap().certificate, first.certificate, "a reader takes what is there");
    assert_eq!(pki.folder().renew_admin(now()).unwrap().facts.subject.name, "admin");
    assert_eq!(pki.folder().name_admin(ADMIN_NAME, now()).unwrap().facts.subject.name, ADMIN_NAME);
}

#[test]
fn passing_addresses_are_named_and_are_no_reason_for_a_certificate() {
    let dir = Dir::new();
    let pki = open(&dir);
    let mut wanted = names(&["192.0.2.7"]);
    wanted.passing.insert("172.17.0.1".parse().unwrap());
    assert_eq!(pki.server().renew(pki.authority(), &wanted, now()).unwrap(), None);
    wanted.ips.insert("192.0.2.8".parse().unwrap());
    assert!(matches!(pki.server().renew(pki.authority(), &wanted, now()), Ok(Some(Due::Names(_)))));
    assert!(pki.server().facts().names.ips.contains(&"172.17.0.1".parse().unwrap()));
}

#[test]
fn strange_and_expired_clients_reach_the_server_and_are_nobody() {
    let (dir, other) = (Dir::new(), Dir::new());
    let now = SystemTime::now();
    let pki = Pki::open(&dir.0, &names(&["192.0.2.7"]), now).unwrap();
    let stranger = Pki::open(&other.0, &names(&[]), now).unwrap().folder().admin(now).unwrap();
    let (server, clients) = settings(&pki);
    let known = pki.folder().admin(now).unwrap();
    for (pair, later, welcome) in
        [(&known, now, true), (&known, now + 366 * DAY, false), (&known, now - DAY, false), (&stranger, now, false)]
    {
        let config = client(pki.authority().pem(), Some((&pair.certificate_pem, &pair.key_pem)));
        let (seen, _) = shake(&server, config, "192.0.2.7").unwrap();
        assert_eq!(clients.identify(&seen, unix(later)).is_ok(), welcome);
    }
    assert!(clients.identify(&[], unix(now)).is_err());
    let own = Pair::read(&folder(&dir.0).join("server.pem")).unwrap().unwrap();
    assert!(clients.identify(&[own.certificate], unix(now)).is_err(), "the server's own is not for clients");
}

#[test]
fn broken_leaf_is_made_anew_and_the_authority_is_never_overwritten() {
    let dir = Dir::new();
    let first = open(&dir);
    let server = folder(&dir.0).join("server.pem");
    let text = std::fs::read_to_string(&server).unwrap();
    for broken in ["", "nonsense", &text[..text.len() / 2], &text[..text.find("-----BEGIN CERT").unwrap()]] {
        std::fs::write(&server, broken).unwrap();
        let again = open(&dir);
        assert_eq!(again.authority().pem(), first.authority().pem());
        assert_eq!(again.server().facts().names, first.server().facts().names);
    }
    for (name, words) in [("ca.key", "not a private key"), ("ca.crt", "not a certificate; remove it")] {
        let path = folder(&dir.0).join(name);
        let text = std::fs::read_to_string(&path).unwrap();
        let half = &text[..text.len() / 2];
        std::fs::write(&path, half).unwrap();
        let error = Pki::open(&dir.0, &names(&[]), now()).err().unwrap().to_string();
        assert!(error.contains(name) && error.contains(words), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), half, "it is left as it was");
        std::fs::write(&path, text).unwrap();
    }
    std::fs::remove_file(folder(&dir.0).join("ca.key")).unwrap();
    let error = Pki::open(&dir.0, &names(&[]), now()).err().unwrap().to_string();
    assert!(error.contains("ca.key: missing beside its certificate"), "{error}");
}

#[test]
fn two_files_of_different_authorities_are_refused() {
    let (dir, other) = (Dir::new(), Dir::new());
    open(&dir);
    open(&other);
    std::fs::copy(folder(&other.0).join("ca.crt"), folder(&dir.0).join("ca.crt")).unwrap();
    let error = Pki::open(&dir.0, &names(&[]), now()).err().unwrap().to_string();
    assert!(error.contains("does not belong to ca.key"), "{error}");
}

#[test]
fn authority_made_again_from_its_key_is_trusted_by_old_clients() {
    let dir = Dir::new();
    let at = SystemTime::now();
    let old = Pki::open(&dir.0, &names(&["192.0.2.7"]), at).unwrap();
    std::fs::remove_file(folder(&dir.0).join("ca.crt")).unwrap();
    let new = Pki::open(&dir.0, &names(&["192.0.2.7", "192.0.2.8"]), at).unwrap();
    assert_ne!(old.authority().pem(), new.authority().pem());
    shake(&settings(&new).0, client(old.authority().pem(), None), "192.0.2.8").unwrap();
}

#[test]
fn request_is_signed_with_all_its_groups_and_for_its_usages_alone() {
    let dir = Dir::new();
    let pki = open(&dir);
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let mut params = CertificateParams::new(vec!["dev.example".to_owned()]).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "writers");
    params.distinguished_name.push(DnType::CustomDnType(vec![2, 5, 4, 10]), "readers");
    params.distinguished_name.push(DnType::CommonName, "jane");
    params.subject_alt_names.push(SanType::IpAddress([192, 0, 2, 1].into()));
    params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
    let request = params.serialize_request(&key).unwrap().pem().unwrap();

    let sign = |usages: &[Usage]| pki.authority().sign_request(&request, usages, 7 * DAY, now()).unwrap();
    let pem = sign(&[Usage::ClientAuth, Usage::DigitalSignature, Usage::KeyEncipherment]);
    let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    let (_, clients) = settings(&pki);
    let identity = clients.identify(std::slice::from_ref(&certificate), unix(now() + 6 * DAY)).unwrap();
    assert_eq!(identity.subject, Subject { name: "jane".into(), groups: vec!["writers".into(), "readers".into()] });
    assert!(clients.identify(std::slice::from_ref(&certificate), unix(now() + 8 * DAY)).is_err());

    let facts = Facts::of(&certificate).unwrap();
    assert!(facts.names.dns.contains("dev.example") && facts.names.ips.len() == 1);
    use x509_parser::prelude::FromDer;
    let (_, parsed) = x509_parser::prelude::X509Certificate::from_der(&certificate).unwrap();
    let usage = parsed.key_usage().unwrap().unwrap().value;
    assert!(usage.digital_signature() && usage.key_encipherment() && !usage.key_cert_sign());
    assert!(!parsed.is_ca());

    let server_only = CertificateDer::from_pem_slice(sign(&[Usage::ServerAuth]).as_bytes()).unwrap();
    assert!(clients.identify(&[server_only], unix(now())).is_err());
}

#[test]
fn certificate_may_name_the_identity_of_its_user() {
    let dir = Dir::new();
    let pki = open(&dir);
    let (_, clients) = settings(&pki);
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "jane");
    params.distinguished_name.push(DnType::CustomDnType(vec![1, 3, 6, 1, 4, 1, 57683, 2]), "77");
    let request = params.serialize_request(&KeyPair::generate().unwrap()).unwrap().pem().unwrap();
    let pem = pki.authority().sign_request(&request, &[Usage::ClientAuth], DAY, now()).unwrap();
    let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    let identity = clients.identify(&[certificate], unix(now())).unwrap();
    assert_eq!((identity.subject.name.as_str(), identity.uid.as_str()), ("jane", "77"));
}

#[test]
fn request_that_is_not_signed_by_its_own_key_is_refused() {
    let dir = Dir::new();
    let pki = open(&dir);
    let key = KeyPair::generate().unwrap();
    let request = CertificateParams::new(Vec::new()).unwrap().serialize_request(&key).unwrap();
    let mut der = request.der().to_vec();
    let last = der.len() - 1;
    der[last] ^= 1;
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(&der);
    let forged = format!("-----BEGIN CERTIFICATE REQUEST-----\n{text}\n-----END CERTIFICATE REQUEST-----\n");
    for (request, words) in [(forged.as_str(), "signature"), ("nonsense", "PEM")] {
        let error = pki.authority().sign_request(request, &[Usage::ClientAuth], DAY, now()).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn nothing_outlives_the_authority() {
    let dir = Dir::new();
    let pki = open(&dir);
    let late = pki.authority().not_after() - DAY;
    let pair = pki.authority().issue(&Subject::default(), &Names::default(), &[], LEAF_LIFE, late).unwrap();
    assert_eq!(pair.facts.not_after, pki.authority().not_after());
}

#[test]
fn kubeconfig_holds_what_a_client_needs() {
    let dir = Dir::new();
    let at = SystemTime::now();
    let pki = Pki::open(&dir.0, &names(&["192.0.2.7"]), at).unwrap();
    let admin = pki.folder().admin(at).unwrap();
    let text = crate::host::kubeconfig::render("k2d", ADMIN_NAME, "https://gw-7:6443", pki.authority().pem(), &admin);
    let config: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
    assert_eq!(config["current-context"], config["contexts"][0]["name"]);
    assert_eq!(config["contexts"][0]["context"]["user"], config["users"][0]["name"]);
    assert_eq!(config["clusters"][0]["cluster"]["server"], "https://gw-7:6443");
    use base64::Engine;
    let pem = |value: &serde_json::Value| {
        let bytes = base64::engine::general_purpose::STANDARD.decode(value.as_str().unwrap()).unwrap();
        String::from_utf8(bytes).unwrap()
    };
    let user = &config["users"][0]["user"];
    let (certificate, key) = (pem(&user["client-certificate-data"]), pem(&user["client-key-data"]));
    let authority = pem(&config["clusters"][0]["cluster"]["certificate-authority-data"]);
    let (server, clients) = settings(&pki);
    let (seen, _) = shake(&server, client(&authority, Some((&certificate, &key))), "gw-7").unwrap();
    assert_eq!(clients.identify(&seen, unix(at)).unwrap().subject.name, ADMIN_NAME);
}

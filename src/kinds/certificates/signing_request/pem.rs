//! What is inside the two texts of a request: the PKCS#10 request (RFC 2986) and the certificates that
//! were made of it (RFC 5280), both in PEM and that in base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{PemObject, SectionKind};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::{FromDer, X509Certificate};

const NO_REQUEST: &str = "PEM block type must be CERTIFICATE REQUEST";

/// The first PEM block; how the rest of the text goes on is of no interest for a request.
fn block(text: &str) -> Result<Vec<u8>, String> {
    let pem = STANDARD.decode(text).map_err(|_| NO_REQUEST.to_owned())?;
    match <(SectionKind, Vec<u8>)>::from_pem_slice(&pem) {
        Ok((SectionKind::Csr, der)) => Ok(der),
        _ => Err(NO_REQUEST.to_owned()),
    }
}

/// Whether the text is a request that its own key has signed; else why not.
pub fn check_request(text: &str) -> Result<(), String> {
    let der = block(text)?;
    let request = parse(&der)?;
    request.verify_signature().map_err(|_| "x509: signature verification failure".to_owned())
}

fn parse(der: &[u8]) -> Result<X509CertificationRequest<'_>, String> {
    match X509CertificationRequest::from_der(der) {
        Ok(([], request)) => Ok(request),
        Ok(_) => Err("asn1: syntax error: trailing data".to_owned()),
        Err(_) => Err("asn1: structure error: not a certificate request".to_owned()),
    }
}

/// The organisations that a request names, which become groups; else why it is none.
///
/// # Errors
/// In words, where the text (PEM in base64) is no request.
pub fn organizations(text: &str) -> Result<Vec<String>, String> {
    let der = block(text)?;
    let request = parse(&der)?;
    let subject = &request.certification_request_info.subject;
    Ok(subject.iter_organization().filter_map(|one| one.as_str().ok()).map(ToOwned::to_owned).collect())
}

/// Whether the text (empty, or PEM in base64) holds certificates and nothing else; else why not.
pub fn check_certificate(text: &str) -> Result<(), String> {
    let pem = STANDARD.decode(text).unwrap_or_default();
    if pem.is_empty() {
        return Ok(());
    }
    let mut blocks = 0;
    for block in <(SectionKind, Vec<u8>)>::pem_slice_iter(&pem) {
        let Ok((kind, der)) = block else { break };
        if kind != SectionKind::Certificate {
            return Err(format!("only CERTIFICATE PEM blocks are allowed, found {:?}", label(kind)));
        }
        if der.is_empty() {
            return Err("found CERTIFICATE PEM block containing 0 certificates".to_owned());
        }
        if !X509Certificate::from_der(&der).is_ok_and(|(rest, _)| rest.is_empty()) {
            return Err("x509: malformed certificate".to_owned());
        }
        blocks += 1;
    }
    if blocks == 0 { Err("must contain at least one CERTIFICATE PEM block".to_owned()) } else { Ok(()) }
}

/// When the first certificate of the text (PEM in base64) ends; `None` where there is none.
#[must_use]
pub fn certificate_end(text: &str) -> Option<Timestamp> {
    let pem = STANDARD.decode(text).ok()?;
    let der = CertificateDer::from_pem_slice(&pem).ok()?;
    let (_, certificate) = X509Certificate::from_der(&der).ok()?;
    Timestamp::from_second(certificate.validity().not_after.timestamp()).ok()
}

/// How the block of a kind is headed.
fn label(kind: SectionKind) -> &'static str {
    match kind {
        SectionKind::PublicKey => "PUBLIC KEY",
        SectionKind::RsaPrivateKey => "RSA PRIVATE KEY",
        SectionKind::PrivateKey => "PRIVATE KEY",
        SectionKind::EcPrivateKey => "EC PRIVATE KEY",
        SectionKind::Crl => "X509 CRL",
        SectionKind::Csr => "CERTIFICATE REQUEST",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(organizations: &str) -> String {
        let key = rcgen::KeyPair::generate().expect("a key");
        let mut params = rcgen::CertificateParams::new(Vec::new()).expect("parameters");
        params.distinguished_name.push(rcgen::DnType::OrganizationName, organizations);
        params.serialize_request(&key).and_then(|request| request.pem()).expect("a request")
    }

    #[test]
    fn a_request_is_read_and_its_signature_checked() {
        let pem = request("plant");
        let text = STANDARD.encode(&pem);
        assert_eq!(check_request(&text), Ok(()));
        assert_eq!(organizations(&text), Ok(vec!["plant".to_owned()]));
        let (_, mut der) = <(SectionKind, Vec<u8>)>::from_pem_slice(pem.as_bytes()).expect("a block");
        let at = der.windows(5).position(|window| window == b"plant").expect("the name");
        der[at] = b'P';
        let changed = format!(
            "-----BEGIN CERTIFICATE REQUEST-----\n{}\n-----END CERTIFICATE REQUEST-----\n",
            STANDARD.encode(der)
        );
        assert!(check_request(&STANDARD.encode(changed)).is_err_and(|detail| detail.contains("signature")));
    }

    #[test]
    fn what_is_no_request_is_told_so() {
        let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        for text in ["", "!", "aGVsbG8=", &STANDARD.encode(key)] {
            assert_eq!(check_request(text), Err(NO_REQUEST.to_owned()), "{text}");
        }
    }

    #[test]
    fn a_certificate_is_one_or_more_and_nothing_else() {
        let key = rcgen::KeyPair::generate().expect("a key");
        let params = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).expect("parameters");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        let check = |text: &str| check_certificate(&STANDARD.encode(text));
        assert_eq!(check(""), Ok(()));
        assert!(certificate_end(&STANDARD.encode(&pem)).is_some_and(|end| end > Timestamp::UNIX_EPOCH));
        assert_eq!(certificate_end(""), None);
        assert_eq!(check(&format!("{pem}{pem}")), Ok(()));
        assert!(check("hello").is_err_and(|detail| detail == "must contain at least one CERTIFICATE PEM block"));
        let with_key = format!("{pem}{}", key.serialize_pem());
        assert!(check(&with_key).is_err_and(|detail| detail.ends_with("found \"PRIVATE KEY\"")));
    }
}

//! Signing of certificate requests (PKCS#10, RFC 2986). The certificate is written here and not by
//! rcgen, whose subjects hold one organisation at most: subject, key and names of the request go into
//! the certificate byte by byte.

use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{KeyPair, SigningKey};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateSigningRequestDer};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::cri_attributes::ParsedCriAttribute;
use x509_parser::prelude::{FromDer, X509Certificate};
use yasna::models::{GeneralizedTime, ObjectIdentifier, UTCTime};
use yasna::{DERWriter, DERWriterSeq, Tag};

use super::Error;
use super::authority::{date, serial};
use super::usage::Usage;

/// ecdsa-with-SHA256 (RFC 5758).
const SIGNATURE: &[u64] = &[1, 2, 840, 10045, 4, 3, 2];
const KEY_USAGE: &[u64] = &[2, 5, 29, 15];
const ALTERNATIVE_NAMES: &[u64] = &[2, 5, 29, 17];
const BASIC_CONSTRAINTS: &[u64] = &[2, 5, 29, 19];
const AUTHORITY_KEY: &[u64] = &[2, 5, 29, 35];
const EXTENDED_KEY_USAGE: &[u64] = &[2, 5, 29, 37];

/// What a certificate takes over from its request, in DER.
struct Parts {
    subject: Vec<u8>,
    public_key: Vec<u8>,
    names: Option<Vec<u8>>,
}

/// Signs a request with the authority's key. `span` is the first and the last instant of its life.
pub(super) fn sign(
    request_pem: &str,
    usages: &[Usage],
    span: (SystemTime, SystemTime),
    authority: &CertificateDer<'_>,
    key_id: &[u8],
    key: &KeyPair,
) -> Result<String, Error> {
    let parts = parse(request_pem)?;
    let (_, issuer) = X509Certificate::from_der(authority).map_err(|_| rcgen::Error::CouldNotParseCertificate)?;
    let body = yasna::construct_der(|writer| {
        writer.write_sequence(|body| {
            body.next().write_tagged(Tag::context(0), |version| version.write_u8(2));
            body.next().write_bigint_bytes(&serial(), true);
            algorithm(body.next());
            body.next().write_der(issuer.subject().as_raw());
            body.next().write_sequence(|life| {
                instant(life.next(), span.0);
                instant(life.next(), span.1);
            });
            body.next().write_der(&parts.subject);
            body.next().write_der(&parts.public_key);
            body.next().write_tagged(Tag::context(3), |list| {
                list.write_sequence(|list| extensions(list, &parts, usages, key_id));
            });
        });
    });
    let signature = key.sign(&body)?;
    let certificate = yasna::construct_der(|writer| {
        writer.write_sequence(|writer| {
            writer.next().write_der(&body);
            algorithm(writer.next());
            writer.next().write_bitvec_bytes(&signature, signature.len() * 8);
        });
    });
    Ok(pem(&certificate))
}

/// Reads a request and checks that who made it holds the key.
fn parse(request_pem: &str) -> Result<Parts, Error> {
    let wrong = |what: &str| Error::Request(what.to_owned());
    let der = CertificateSigningRequestDer::from_pem_slice(request_pem.as_bytes())
        .map_err(|_| wrong("not a PEM block of type CERTIFICATE REQUEST"))?;
    let (rest, request) =
        X509CertificationRequest::from_der(&der).map_err(|_| wrong("not a certificate request (PKCS#10)"))?;
    if !rest.is_empty() {
        return Err(wrong("bytes follow the certificate request"));
    }
    request.verify_signature().map_err(|_| wrong("its signature does not fit its key"))?;
    let info = &request.certification_request_info;
    let names = info.iter_attributes().find_map(|attribute| match attribute.parsed_attribute() {
        ParsedCriAttribute::ExtensionRequest(asked) => asked
            .extensions
            .iter()
            .find(|extension| extension.oid.iter().is_some_and(|oid| oid.eq(ALTERNATIVE_NAMES.iter().copied())))
            .map(|extension| extension.value.to_vec()),
        _ => None,
    });
    Ok(Parts { subject: info.subject.as_raw().to_vec(), public_key: info.subject_pki.raw.to_vec(), names })
}

fn extensions(list: &mut DERWriterSeq<'_>, parts: &Parts, usages: &[Usage], key_id: &[u8]) {
    let bits = usages.iter().filter_map(|usage| usage.bit()).fold(0_u8, |bits, bit| bits | 0x80 >> bit);
    if bits != 0 {
        let length = 8 - bits.trailing_zeros() as usize;
        let value = yasna::construct_der(|value| value.write_bitvec_bytes(&[bits], length));
        extension(list, KEY_USAGE, true, &value);
    }
    let purposes: Vec<_> = usages.iter().filter_map(|usage| usage.oid()).collect();
    if !purposes.is_empty() {
        let value = yasna::construct_der(|value| {
            value.write_sequence(|value| {
                for purpose in &purposes {
                    value.next().write_oid(&ObjectIdentifier::from_slice(purpose));
                }
            });
        });
        extension(list, EXTENDED_KEY_USAGE, false, &value);
    }
    extension(list, BASIC_CONSTRAINTS, true, &yasna::construct_der(|value| value.write_sequence(|_| {})));
    let authority = yasna::construct_der(|value| {
        value.write_sequence(|value| {
            value.next().write_tagged_implicit(Tag::context(0), |id| id.write_bytes(key_id));
        });
    });
    extension(list, AUTHORITY_KEY, false, &authority);
    if let Some(names) = &parts.names {
        // RFC 5280 section 4.2.1.6: critical where the subject is empty (a SEQUENCE of no bytes).
        extension(list, ALTERNATIVE_NAMES, parts.subject.len() <= 2, names);
    }
}

fn extension(list: &mut DERWriterSeq<'_>, oid: &[u64], critical: bool, value: &[u8]) {
    list.next().write_sequence(|extension| {
        extension.next().write_oid(&ObjectIdentifier::from_slice(oid));
        if critical {
            extension.next().write_bool(true);
        }
        extension.next().write_bytes(value);
    });
}

fn algorithm(writer: DERWriter<'_>) {
    writer.write_sequence(|writer| writer.next().write_oid(&ObjectIdentifier::from_slice(SIGNATURE)));
}

/// Years up to 2049 in the short form, later ones in the long one (RFC 5280 section 4.1.2.5).
fn instant(writer: DERWriter<'_>, at: SystemTime) {
    let at = date(at);
    match UTCTime::from_datetime_opt(at) {
        Some(short) => writer.write_utctime(&short),
        None => writer.write_generalized_time(&GeneralizedTime::from_datetime(at)),
    }
}

fn pem(der: &[u8]) -> String {
    let mut out = String::from("-----BEGIN CERTIFICATE-----\n");
    let text = STANDARD.encode(der);
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at_checked(64).unwrap_or((rest, ""));
        out.push_str(line);
        out.push('\n');
        rest = after;
    }
    out.push_str("-----END CERTIFICATE-----\n");
    out
}

//! The authority: its key and certificate, and what it signs.

use std::path::Path;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType,
    SerialNumber,
};
use ring::digest;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use time::OffsetDateTime;

use super::usage::Usage;
use super::{Error, Facts, Names, Pair, Subject, request};
use crate::host::files;

/// Life of the authority's certificate: 30 years.
const LIFE: Duration = Duration::from_secs(30 * 365 * 24 * 3600 + 7 * 24 * 3600);
/// Certificates hold from a little earlier, for clients whose clock is behind.
const BACKDATE: Duration = Duration::from_secs(3600);
/// 2026-01-01: no true clock is before it, so what a board without a clock makes in 1970 lives from
/// here.
const EPOCH: Duration = Duration::from_secs(1_767_225_600);

/// The authority of one k2d.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    der: CertificateDer<'static>,
    key_id: Vec<u8>,
    not_after: SystemTime,
}

impl Authority {
    /// Reads `ca.key` and `ca.crt`, or makes them where none are. A missing certificate is made
    /// again from its key, and clients that know the old one keep trusting it.
    ///
    /// # Errors
    /// A broken file, a certificate without its key, or two that do not belong together: all that
    /// clients trust hangs on them, so neither is ever overwritten.
    pub(super) fn open(folder: &Path, now: SystemTime) -> Result<Self, Error> {
        let (key_path, path) = (folder.join("ca.key"), folder.join("ca.crt"));
        let broken = |path: &Path, what: &str, advice| Error::Broken { path: path.into(), what: what.into(), advice };
        let certificate = files::read_private(&path)?;
        let key = match files::read_private(&key_path)? {
            Some(text) => KeyPair::from_pem(&text)
                .map_err(|error| broken(&key_path, &format!("not a private key ({error})"), RESTORE))?,
            None if certificate.is_some() => {
                return Err(broken(&key_path, "missing beside its certificate", RESTORE));
            }
            None => {
                let key = KeyPair::generate()?;
                files::write_private(&key_path, key.serialize_pem().as_bytes())?;
                tracing::info!(path = %key_path.display(), "made the key of the authority");
                key
            }
        };
        let pem = match certificate {
            Some(text) => text,
            None => {
                let text = certificate_of(&key, now)?;
                files::write_private(&path, text.as_bytes())?;
                text
            }
        };
        let der =
            CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| broken(&path, "not a certificate", REMAKE))?;
        let facts = Facts::of(&der).ok_or_else(|| broken(&path, "not a certificate", REMAKE))?;
        if facts.public_key != rcgen::PublicKeyData::subject_public_key_info(&key) {
            return Err(broken(&path, "does not belong to ca.key", RESTORE));
        }
        if now >= facts.not_after {
            return Err(broken(&path, "has ended by the clock of this machine", ENDED));
        }
        let issuer = Issuer::from_ca_cert_der(&der, key).map_err(|error| broken(&path, &error.to_string(), REMAKE))?;
        let key_id = key_id(&facts.public_key);
        Ok(Self { issuer, pem, der, key_id, not_after: facts.not_after })
    }

    /// Its certificate in PEM, for clients to trust.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Its certificate.
    #[must_use]
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// Last instant at which it holds.
    #[must_use]
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// Identifier of its key as it stands in all that it signs.
    pub(super) fn key_id(&self) -> &[u8] {
        &self.key_id
    }

    /// Makes a key (ECDSA P-256) and a certificate for it. It holds from an hour ago for `life`, but
    /// not longer than the authority.
    ///
    /// # Errors
    /// A name that no certificate can hold.
    pub fn issue(
        &self,
        subject: &Subject,
        names: &Names,
        usages: &[Usage],
        life: Duration,
        now: SystemTime,
    ) -> Result<Pair, Error> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name = distinguished(subject);
        for name in &names.dns {
            params.subject_alt_names.push(SanType::DnsName(name.as_str().try_into()?));
        }
        params.subject_alt_names.extend(names.ips.union(&names.passing).copied().map(SanType::IpAddress));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let (start, end) = self.span(life, now);
        params.not_before = date(start);
        params.not_after = date(end);
        params.serial_number = Some(SerialNumber::from_slice(&serial()));
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        for usage in usages {
            usage.put(&mut params);
        }
        let signed = params.signed_by(&key, &self.issuer)?;
        let facts = Facts::of(signed.der()).ok_or(rcgen::Error::CouldNotParseCertificate)?;
        Ok(Pair {
            key_pem: key.serialize_pem(),
            certificate_pem: signed.pem(),
            certificate: signed.der().clone(),
            facts,
        })
    }

    /// Signs a certificate request (PKCS#10 in PEM), keeping its subject, its names and its key, for
    /// these usages alone. The certificate comes back in PEM; it holds from an hour ago for `life`,
    /// but not longer than the authority.
    ///
    /// # Errors
    /// The request cannot be read, or its own signature is wrong.
    pub fn sign_request(
        &self,
        request_pem: &str,
        usages: &[Usage],
        life: Duration,
        now: SystemTime,
    ) -> Result<String, Error> {
        let (start, end) = self.span(life, now);
        request::sign(request_pem, usages, (start, end), &self.der, &self.key_id, self.issuer.key())
    }

    /// First and last instant of what is made now.
    fn span(&self, life: Duration, now: SystemTime) -> (SystemTime, SystemTime) {
        let start = now.max(SystemTime::UNIX_EPOCH + BACKDATE);
        (start - BACKDATE, (start + life).min(self.not_after))
    }
}

const RESTORE: &str = "bring it back from a copy, or remove ca.key and ca.crt together to begin anew, after which \
                       every kubeconfig must be written again";
const REMAKE: &str = "remove it, and it is made again from ca.key";
const ENDED: &str = "set the clock, or remove ca.crt to make it again from ca.key, after which every kubeconfig must \
                     be written again";

/// The authority's own certificate. It holds from 1970 on, so that no clock finds it in the future.
fn certificate_of(key: &KeyPair, now: SystemTime) -> Result<String, Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name = distinguished(&Subject { name: "k2d".into(), groups: Vec::new() });
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = date(SystemTime::UNIX_EPOCH);
    params.not_after = date(now.max(SystemTime::UNIX_EPOCH + EPOCH) + LIFE);
    params.serial_number = Some(SerialNumber::from_slice(&serial()));
    params.key_identifier_method =
        rcgen::KeyIdMethod::PreSpecified(key_id(&rcgen::PublicKeyData::subject_public_key_info(key)));
    Ok(params.self_signed(key)?.pem())
}

/// The identifier of a key: the first 20 bytes of the SHA-256 of its public key (RFC 7093 section 2,
/// method 4).
fn key_id(public_key: &[u8]) -> Vec<u8> {
    let hash = digest::digest(&digest::SHA256, public_key);
    hash.as_ref().iter().take(20).copied().collect()
}

/// A serial number: 122 random bits, never negative, never with a zero first.
pub(super) fn serial() -> [u8; 16] {
    let mut bytes = uuid::Uuid::new_v4().into_bytes();
    bytes[0] = bytes[0] & 0x7f | 0x40;
    bytes
}

fn distinguished(subject: &Subject) -> DistinguishedName {
    let mut out = DistinguishedName::new();
    for group in &subject.groups {
        out.push(DnType::OrganizationName, group.as_str());
    }
    out.push(DnType::CommonName, subject.name.as_str());
    out
}

/// An instant in the form that certificates hold, to the second.
pub(super) fn date(at: SystemTime) -> OffsetDateTime {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    OffsetDateTime::UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

//! One certificate: what it says, its key, its file, and whether it is due.

use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{Authority, Error, Names};
use crate::host::files;

/// Whom a certificate names, as Kubernetes reads it: the common name is the user, each organisation
/// a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// Common name.
    pub name: String,
    /// Organisations.
    pub groups: Vec<String>,
}

/// What a certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Whom it names.
    pub subject: Subject,
    /// Its names and addresses.
    pub names: Names,
    /// First instant at which it holds.
    pub not_before: SystemTime,
    /// Last instant at which it holds.
    pub not_after: SystemTime,
    /// Identifier of the key that signed it, as the certificate tells (`authorityKeyIdentifier`).
    pub authority_key: Vec<u8>,
    /// Its public key (`subjectPublicKeyInfo`, DER).
    pub public_key: Vec<u8>,
}

/// Why a certificate must be made anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    /// There is none, or its file is broken.
    Missing,
    /// Another authority signed it.
    Authority,
    /// It lacks these names.
    Names(Names),
    /// Two thirds of its life are over.
    Age,
    /// By the clock it does not hold yet.
    Future,
}

impl fmt::Display for Due {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => out.write_str("there was none"),
            Self::Authority => out.write_str("another authority had signed it"),
            Self::Names(names) => write!(out, "it lacked {names}"),
            Self::Age => out.write_str("it would end soon"),
            Self::Future => out.write_str("it was not valid yet by the clock"),
        }
    }
}

impl Facts {
    /// Reads them from a certificate. `None` if it is not one.
    #[must_use]
    pub fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
        let mut names = Names::default();
        if let Ok(Some(extension)) = parsed.subject_alternative_name() {
            for name in &extension.value.general_names {
                match name {
                    GeneralName::DNSName(name) => names.add(name),
                    GeneralName::IPAddress(bytes) => names.ips.extend(address(bytes)),
                    _ => {}
                }
            }
        }
        let authority_key = parsed.extensions().iter().find_map(|extension| match extension.parsed_extension() {
            x509_parser::extensions::ParsedExtension::AuthorityKeyIdentifier(id) => {
                Some(id.key_identifier.as_ref()?.0.to_vec())
            }
            _ => None,
        });
        Some(Self {
            subject: subject(&parsed),
            names,
            not_before: time(parsed.validity().not_before.timestamp()),
            not_after: time(parsed.validity().not_after.timestamp()),
            authority_key: authority_key.unwrap_or_default(),
            public_key: parsed.public_key().raw.to_vec(),
        })
    }

    /// The instant from which the certificate should be made anew: when two thirds of its life are
    /// over.
    #[must_use]
    pub fn renewal(&self) -> SystemTime {
        let life = self.not_after.duration_since(self.not_before).unwrap_or_default();
        self.not_before + life / 3 * 2
    }

    /// Why the certificate must be made anew, if it must. Names that it has beyond the wanted ones
    /// are no reason.
    #[must_use]
    pub fn due(&self, authority: &Authority, wanted: &Names, now: SystemTime) -> Option<Due> {
        if self.authority_key != authority.key_id() {
            Some(Due::Authority)
        } else if now < self.not_before {
            Some(Due::Future)
        } else if now >= self.renewal() {
            Some(Due::Age)
        } else if !self.names.cover(wanted) {
            Some(Due::Names(wanted.without(&self.names)))
        } else {
            None
        }
    }
}

/// Whom a parsed certificate names.
pub(super) fn subject(parsed: &X509Certificate<'_>) -> Subject {
    let text = |value: &x509_parser::x509::AttributeTypeAndValue<'_>| value.as_str().map(str::to_owned).ok();
    Subject {
        name: parsed.subject().iter_common_name().filter_map(text).last().unwrap_or_default(),
        groups: parsed.subject().iter_organization().filter_map(text).collect(),
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(four.into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
}

fn time(seconds: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

/// A key with its certificate.
#[derive(Debug)]
pub struct Pair {
    /// The private key, PKCS#8 in PEM.
    pub key_pem: String,
    /// The certificate in PEM.
    pub certificate_pem: String,
    /// The certificate.
    pub certificate: CertificateDer<'static>,
    /// What it says.
    pub facts: Facts,
}

impl Pair {
    /// Reads a file with both; `None` if it is missing or broken in any way (which is logged), since
    /// it can be made anew.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, Error> {
        let Some(text) = files::read_private(path)? else { return Ok(None) };
        let pair = Self::parse(&text);
        if pair.is_none() {
            tracing::warn!(path = %path.display(), "broken certificate file; it is made anew");
        }
        Ok(pair)
    }

    /// Reads both from the text of a file and checks that they belong together.
    fn parse(text: &str) -> Option<Self> {
        let start = text.find("-----BEGIN CERTIFICATE-----")?;
        let (key_pem, certificate_pem) = text.split_at_checked(start)?;
        let certificate = CertificateDer::from_pem_slice(certificate_pem.as_bytes()).ok()?;
        let key = rcgen::KeyPair::from_pem(key_pem).ok()?;
        let facts = Facts::of(&certificate)?;
        let same = facts.public_key == rcgen::PublicKeyData::subject_public_key_info(&key);
        same.then(|| Self {
            key_pem: key_pem.to_owned(),
            certificate_pem: certificate_pem.to_owned(),
            certificate,
            facts,
        })
    }

    /// The text of its file.
    pub(super) fn text(&self) -> String {
        format!("{}{}", self.key_pem, self.certificate_pem)
    }

    /// The private key.
    ///
    /// # Errors
    /// The PEM text is broken, which a pair that was read or issued never is.
    pub fn key(&self) -> Result<PrivateKeyDer<'static>, Error> {
        PrivateKeyDer::from_pem_slice(self.key_pem.as_bytes())
            .map_err(|error| rustls::Error::General(error.to_string()).into())
    }
}

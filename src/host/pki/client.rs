//! Certificates of clients. TLS takes any whose holder has the key, and so a client with a wrong or
//! expired one gets an answer (401) rather than a broken connection; whether the authority signed it
//! is asked for each connection by [`ClientVerifier::identify`].

use std::fmt;
use std::sync::Arc;

use ring::digest;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::Error;
use super::authority::Authority;
use super::certificate::{self, Subject};

/// The attribute of a subject that is a user's `uid` (the object identifiers of Kubernetes).
const USER_ID: &str = "1.3.6.1.4.1.57683.2";

/// Who a client is by its certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientIdentity {
    /// Name (common name) and groups (organisations).
    pub subject: Subject,
    /// The identity that the certificate names beside the name in an attribute of its own; mostly empty.
    pub uid: String,
    /// `X509SHA256=` and the hash of the certificate in hexadecimal, by which Kubernetes names the
    /// credential in a user's extra fields.
    pub credential_id: String,
}

/// Checks clients' certificates against the authority.
pub struct ClientVerifier(Arc<dyn ClientCertVerifier>);

impl ClientVerifier {
    /// A verifier that trusts this authority alone.
    ///
    /// # Errors
    /// The authority's certificate cannot be trusted by rustls.
    pub fn new(authority: &Authority) -> Result<Self, Error> {
        let mut roots = RootCertStore::empty();
        roots.add(authority.certificate().clone())?;
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::new(default_provider()))
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        Ok(Self(verifier))
    }

    /// Who holds these certificates (the client's own first).
    ///
    /// # Errors
    /// None was sent, it has ended or not begun, it is not for clients, another authority signed it,
    /// or it names nobody.
    pub fn identify(&self, chain: &[CertificateDer<'_>], now: UnixTime) -> Result<ClientIdentity, Error> {
        let (own, others) = chain.split_first().ok_or(rustls::Error::NoCertificatesPresented)?;
        self.0.verify_client_cert(own, others, now)?;
        let (_, parsed) =
            X509Certificate::from_der(own).map_err(|_| rustls::Error::from(rustls::CertificateError::BadEncoding))?;
        let subject = certificate::subject(&parsed);
        if subject.name.is_empty() {
            return Err(rustls::Error::General("the certificate names nobody".into()).into());
        }
        let hash = digest::digest(&digest::SHA256, own);
        let mut credential_id = String::from("X509SHA256=");
        for byte in hash.as_ref() {
            credential_id.push_str(&format!("{byte:02x}"));
        }
        let uids = parsed.subject().iter_attributes().filter(|one| one.attr_type().to_id_string() == USER_ID);
        let mut uids = uids.filter_map(|one| one.as_str().ok());
        let uid = uids.next().unwrap_or_default().to_owned();
        if uids.next().is_some() {
            return Err(rustls::Error::General("the certificate names several identities".into()).into());
        }
        Ok(ClientIdentity { subject, uid, credential_id })
    }
}

impl fmt::Debug for ClientVerifier {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("ClientVerifier")
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        _own: &CertificateDer<'_>,
        _others: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

//! What a certificate is for, in the three forms in which it is written.

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyUsagePurpose};

/// What a certificate is for (key usages of certificates.k8s.io/v1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// `digital signature`
    DigitalSignature,
    /// `content commitment`
    ContentCommitment,
    /// `key encipherment`
    KeyEncipherment,
    /// `data encipherment`
    DataEncipherment,
    /// `key agreement`
    KeyAgreement,
    /// `server auth`
    ServerAuth,
    /// `client auth`
    ClientAuth,
    /// `code signing`
    CodeSigning,
    /// `email protection`
    EmailProtection,
    /// `timestamping`
    Timestamping,
    /// `ocsp signing`
    OcspSigning,
    /// `any`
    Any,
}

impl Usage {
    /// The usage by its name in certificates.k8s.io/v1; `None` for one that this authority does not
    /// give (`cert sign`, `crl sign`, those without meaning for TLS) or that does not exist.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Some(match name {
            "signing" | "digital signature" => Self::DigitalSignature,
            "content commitment" => Self::ContentCommitment,
            "key encipherment" => Self::KeyEncipherment,
            "data encipherment" => Self::DataEncipherment,
            "key agreement" => Self::KeyAgreement,
            "server auth" => Self::ServerAuth,
            "client auth" => Self::ClientAuth,
            "code signing" => Self::CodeSigning,
            "email protection" | "s/mime" => Self::EmailProtection,
            "timestamping" => Self::Timestamping,
            "ocsp signing" => Self::OcspSigning,
            "any" => Self::Any,
            _ => return None,
        })
    }

    /// The bit of `keyUsage`, counted from the first (RFC 5280 section 4.2.1.3).
    pub(super) fn bit(self) -> Option<u8> {
        match self {
            Self::DigitalSignature => Some(0),
            Self::ContentCommitment => Some(1),
            Self::KeyEncipherment => Some(2),
            Self::DataEncipherment => Some(3),
            Self::KeyAgreement => Some(4),
            _ => None,
        }
    }

    /// The identifier in `extendedKeyUsage` (RFC 5280 section 4.2.1.12).
    pub(super) fn oid(self) -> Option<&'static [u64]> {
        match self {
            Self::ServerAuth => Some(&[1, 3, 6, 1, 5, 5, 7, 3, 1]),
            Self::ClientAuth => Some(&[1, 3, 6, 1, 5, 5, 7, 3, 2]),
            Self::CodeSigning => Some(&[1, 3, 6, 1, 5, 5, 7, 3, 3]),
            Self::EmailProtection => Some(&[1, 3, 6, 1, 5, 5, 7, 3, 4]),
            Self::Timestamping => Some(&[1, 3, 6, 1, 5, 5, 7, 3, 8]),
            Self::OcspSigning => Some(&[1, 3, 6, 1, 5, 5, 7, 3, 9]),
            Self::Any => Some(&[2, 5, 29, 37, 0]),
            _ => None,
        }
    }

    /// Adds it to a certificate that rcgen makes.
    pub(super) fn put(self, params: &mut CertificateParams) {
        if let Some(oid) = self.oid() {
            params.insert_extended_key_usage(ExtendedKeyUsagePurpose::Other(oid.to_vec()));
        }
        match self {
            Self::DigitalSignature => params.key_usages.push(KeyUsagePurpose::DigitalSignature),
            Self::ContentCommitment => params.key_usages.push(KeyUsagePurpose::ContentCommitment),
            Self::KeyEncipherment => params.key_usages.push(KeyUsagePurpose::KeyEncipherment),
            Self::DataEncipherment => params.key_usages.push(KeyUsagePurpose::DataEncipherment),
            Self::KeyAgreement => params.key_usages.push(KeyUsagePurpose::KeyAgreement),
            _ => {}
        }
    }
}

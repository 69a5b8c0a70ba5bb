//! Signed tokens (JWT, RFC 7519, with ES256, RFC 7518 section 3.4): the key, signing, checking and
//! the key set that others check with. What claims mean is the caller's business, but for the times.

use std::path::Path;
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, UnparsedPublicKey,
};
use ring::{digest, rand};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};

use super::files;

/// Tokens longer than this are refused unread; those of a service account have about 1 KiB.
const LONGEST: usize = 16 << 10;
/// `subjectPublicKeyInfo` of a P-256 key up to the point itself (RFC 5480).
const SPKI: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// The key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or written.
    #[error(transparent)]
    File(#[from] files::Error),
    /// The file holds no such key.
    #[error(
        "{path}: not an ECDSA P-256 private key (PKCS#8 in PEM); bring it back from a copy, or remove it to begin \
             anew, after which every token is void"
    )]
    Broken {
        /// The file.
        path: String,
    },
    /// The system gives no random bytes.
    #[error("cannot make a key or a signature")]
    Random,
}

/// Why a token is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not three parts of base64url with JSON in the first two.
    #[error("not a signed token")]
    Malformed,
    /// Another algorithm or another key.
    #[error("signed with another key")]
    OtherKey,
    /// The signature does not fit.
    #[error("wrong signature")]
    Signature,
    /// `exp` has passed.
    #[error("expired")]
    Expired,
    /// `nbf` lies ahead.
    #[error("not valid yet")]
    Future,
}

/// The key that signs tokens.
pub struct TokenKey {
    key: EcdsaKeyPair,
    id: String,
    random: SystemRandom,
}

impl TokenKey {
    /// Reads the key, or makes it where there is none.
    ///
    /// # Errors
    /// The file cannot be read or written, or holds something else.
    pub fn open(path: &Path) -> Result<Self, KeyError> {
        let text = match files::read_private(path)? {
            Some(text) => text,
            None => {
                let key = rcgen::KeyPair::generate().map_err(|_| KeyError::Random)?;
                let text = key.serialize_pem();
                files::write_private(path, text.as_bytes())?;
                tracing::info!(path = %path.display(), "made the key for service account tokens");
                text
            }
        };
        Self::parse(&text).ok_or_else(|| KeyError::Broken { path: path.display().to_string() })
    }

    fn parse(pem: &str) -> Option<Self> {
        let random = SystemRandom::new();
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).ok()?;
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.secret_pkcs8_der(), &random).ok()?;
        let mut public = SPKI.to_vec();
        public.extend_from_slice(key.public_key().as_ref());
        let id = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, &public));
        Some(Self { key, id, random })
    }

    /// The name of the key (`kid`): the SHA-256 of its public half, as Kubernetes names it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Signs claims.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn sign(&self, claims: &Value) -> Result<String, KeyError> {
        let header = json!({"alg": "ES256", "kid": self.id});
        let mut token = URL_SAFE_NO_PAD.encode(header.to_string());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(claims.to_string(), &mut token);
        let signature = self.key.sign(&self.random, token.as_bytes()).map_err(|_| KeyError::Random)?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    /// Checks the signature and the times (`exp`, `nbf`, in seconds since 1970, where they are) and
    /// gives the claims. Issuer, audience and subject are left to the caller.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub fn verify(&self, token: &str, now: SystemTime) -> Result<Value, TokenError> {
        let claims = self.verify_signature(token)?;
        let now = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let time = |name: &str| match claims.get(name) {
            None => Ok(None),
            Some(value) => value.as_f64().map(|time| Some(time as u64)).ok_or(TokenError::Malformed),
        };
        match (time("exp")?, time("nbf")?) {
            (Some(end), _) if now >= end => Err(TokenError::Expired),
            (_, Some(start)) if now < start => Err(TokenError::Future),
            _ => Ok(claims),
        }
    }

    fn verify_signature(&self, token: &str) -> Result<Value, TokenError> {
        if token.len() > LONGEST {
            return Err(TokenError::Malformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(TokenError::Malformed)?;
        let header = decode(header).ok_or(TokenError::Malformed)?;
        if header.get("alg").and_then(Value::as_str) != Some("ES256")
            || header.get("kid").and_then(Value::as_str) != Some(&self.id)
            || header.get("crit").is_some()
        {
            return Err(TokenError::OtherKey);
        }
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| TokenError::Malformed)?;
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.key.public_key().as_ref())
            .verify(signed.as_bytes(), &signature)
            .map_err(|_| TokenError::Signature)?;
        decode(claims).filter(Value::is_object).ok_or(TokenError::Malformed)
    }

    /// The public half as a JSON Web Key Set (RFC 7517), as `/openid/v1/jwks` gives it.
    #[must_use]
    pub fn key_set(&self) -> Value {
        // An uncompressed point: the byte 4, then x and y with 32 bytes each.
        let point = self.key.public_key().as_ref();
        let (x, y) = point.get(1..).and_then(|both| both.split_at_checked(32)).unwrap_or_default();
        json!({"keys": [{
            "use": "sig",
            "kty": "EC",
            "kid": self.id,
            "crv": "P-256",
            "alg": "ES256",
            "x": URL_SAFE_NO_PAD.encode(x),
            "y": URL_SAFE_NO_PAD.encode(y),
        }]})
    }
}

fn decode(part: &str) -> Option<Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

/// Random bytes as lower-case hexadecimal digits, for secrets that are not tokens of their own.
///
/// # Errors
/// The system gives none.
pub fn random_hex<const BYTES: usize>() -> Result<String, KeyError> {
    let bytes = rand::generate::<[u8; BYTES]>(&SystemRandom::new()).map_err(|_| KeyError::Random)?.expose();
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::files::tests::Dir;
    use std::time::Duration;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn token_lives_between_its_times() {
        let dir = Dir::new();
        let key = TokenKey::open(&dir.0.join("sa.key")).unwrap();
        let claims = json!({"sub": "system:serviceaccount:a:b", "nbf": 1000, "exp": 2000});
        let token = key.sign(&claims).unwrap();
        assert_eq!(key.verify(&token, at(1000)), Ok(claims));
        assert_eq!(key.verify(&token, at(999)), Err(TokenError::Future));
        assert_eq!(key.verify(&token, at(2000)), Err(TokenError::Expired));
        for odd in [json!({"exp": "later"}), json!({"exp": -1}), json!({"nbf": "earlier"})] {
            assert!(key.verify(&key.sign(&odd).unwrap(), at(10)).is_err(), "{odd}");
        }
    }

    #[test]
    fn key_is_kept_in_its_file() {
        let dir = Dir::new();
        let path = dir.0.join("sa.key");
        let first = TokenKey::open(&path).unwrap();
        let second = TokenKey::open(&path).unwrap();
        assert_eq!(first.id(), second.id());
        assert_eq!(files::mode(&path), Some(0o600));
        let token = first.sign(&json!({"sub": "a"})).unwrap();
        assert!(second.verify(&token, at(1)).is_ok());
    }

    #[test]
    fn changed_token_is_refused() {
        let dir = Dir::new();
        let key = TokenKey::open(&dir.0.join("sa.key")).unwrap();
        let other = TokenKey::open(&dir.0.join("other.key")).unwrap();
        let token = key.sign(&json!({"sub": "a"})).unwrap();
        assert_eq!(other.verify(&token, at(1)), Err(TokenError::OtherKey));
        let [header, _, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
        let forged = URL_SAFE_NO_PAD.encode(r#"{"sub":"b"}"#);
        assert_eq!(key.verify(&format!("{header}.{forged}.{signature}"), at(1)), Err(TokenError::Signature));
        let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
        assert_eq!(key.verify(&format!("{none}.{forged}."), at(1)), Err(TokenError::OtherKey));
        for text in ["", ".", "a.b", "a.b.c", &"x".repeat(LONGEST + 1)] {
            assert_eq!(key.verify(text, at(1)), Err(TokenError::Malformed), "{text}");
        }
    }

    #[test]
    fn key_set_checks_what_the_key_signs() {
        let dir = Dir::new();
        let key = TokenKey::open(&dir.0.join("sa.key")).unwrap();
        let set = key.key_set();
        let web = &set["keys"][0];
        assert_eq!(web["kid"], key.id());
        let mut point = vec![4];
        for axis in ["x", "y"] {
            let bytes = URL_SAFE_NO_PAD.decode(web[axis].as_str().unwrap()).unwrap();
            assert_eq!(bytes.len(), 32);
            point.extend(bytes);
        }
        let token = key.sign(&json!({"sub": "a"})).unwrap();
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed.as_bytes(), &signature).unwrap();
    }

    #[test]
    fn half_written_key_is_an_error_that_says_what_to_do() {
        let dir = Dir::new();
        let path = dir.0.join("sa.key");
        TokenKey::open(&path).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, &text[..text.len() / 2]).unwrap();
        let error = TokenKey::open(&path).err().unwrap().to_string();
        assert!(error.contains("sa.key: not an ECDSA P-256 private key") && error.contains("remove it"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap().len(), text.len() / 2, "it is left as it was");
    }
}

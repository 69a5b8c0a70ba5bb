//! CertificateSigningRequest: that someone wants a certificate.

mod conditions;
mod pem;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::kinds::parts::table::{self, AGE, About, NAME, Row, text_column};
use crate::kinds::{Column, Kind, NameRule, STATUS, SelectorWords, Strategy, Subresource};
use crate::schema::age;
use crate::schema::field::{Errors, Path};
use crate::schema::names;
use crate::schema::rules::{formatted, items, text};

pub use pem::{certificate_end, organizations};

/// The group of the kind, and of the `signers` that stand for who may approve and sign.
pub const GROUP: &str = "certificates.k8s.io";
/// Signs certificates by which clients are known to the API.
pub const CLIENT_SIGNER: &str = "kubernetes.io/kube-apiserver-client";
/// Signs nothing that this version of the API takes.
const LEGACY_SIGNER: &str = "kubernetes.io/legacy-unknown";

const USAGES: &[&str] = &[
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
];
const EXPIRATION_MIN: i64 = 600;
const SIGNER_MAX: usize = 571;
const APPROVAL: Subresource = Subresource { name: "approval", ..STATUS };
const OF_SPEC: &str = "api.certificates.v1.CertificateSigningRequestSpec";
/// What the column of the signer shows, in the words of a version of the API that is no longer served.
const SIGNER: &str = "\
    Requested signer for the request. It is a qualified name in the form: `scope-hostname.io/name`. If empty, it will be \
    defaulted:\n 1. If it's a kubelet client certificate, it is assigned\n    \
    \"kubernetes.io/kube-apiserver-client-kubelet\".\n 2. If it's a kubelet serving certificate, it is assigned\n    \
    \"kubernetes.io/kubelet-serving\".\n 3. Otherwise, it is assigned \"kubernetes.io/legacy-unknown\".\n\
    Distribution of trust for signers happens out of band. You can select on this field using `spec.signerName`.";
const COLUMNS: &[Row] = &[
    NAME,
    AGE,
    text_column("SignerName", About::Text(SIGNER)),
    text_column("Requestor", About::Text("Base64-encoded PKCS#10 CSR data")),
    text_column("RequestedDuration", About::Field(OF_SPEC, "expirationSeconds")),
    text_column("Condition", About::Text("Conditions applied to the request, such as approval or denial.")),
];

/// The kind.
#[must_use]
pub fn kind() -> Kind {
    Kind::new(GROUP, "v1", "CertificateSigningRequest", "certificatesigningrequests", CertificateSigningRequest)
        .cluster()
        .short(&["csr"])
        .names(NameRule::PathSegment)
        .subresources(&[APPROVAL, STATUS])
        .selectable(&["spec.signerName"])
        .selector_words(SelectorWords::Label)
}

struct CertificateSigningRequest;

impl Strategy for CertificateSigningRequest {
    fn prepare_create(&self, object: &mut Value) {
        object["status"] = json!({});
    }

    fn validate(&self, object: &Value, errors: &mut Errors) {
        let (spec, path) = (&object["spec"], Path::new("spec"));
        if let Err(detail) = pem::check_request(text(&spec["request"])) {
            errors.invalid(&path.child("request"), &spec["request"], &detail);
        }
        let (usages, at) = (items(&spec["usages"]), path.child("usages"));
        if usages.is_empty() {
            errors.required(&at, "");
        }
        for (index, usage) in usages.iter().enumerate() {
            if !USAGES.contains(&text(usage)) {
                errors.not_supported(&at.index(index), usage, USAGES);
            }
        }
        for (index, usage) in usages.iter().enumerate() {
            if usages.iter().take(index).any(|other| other == usage) {
                errors.duplicate(&at.index(index), usage);
            }
        }
        signer(text(&spec["signerName"]), &path.child("signerName"), errors);
        if let Some(seconds) = spec["expirationSeconds"].as_i64().filter(|seconds| *seconds < EXPIRATION_MIN) {
            let detail = "may not specify a duration less than 600 seconds (10 minutes)";
            errors.invalid(&path.child("expirationSeconds"), &seconds.into(), detail);
        }
    }

    fn prepare_update(&self, object: &mut Value, old: &Value) {
        object["spec"] = old["spec"].clone();
    }

    fn validate_update(&self, _object: &Value, _old: &Value, _errors: &mut Errors) {}

    fn prepare_status(&self, object: &mut Value, old: &Value) {
        object["spec"] = old["spec"].clone();
        conditions::preserve(object, old);
        conditions::stamp(object, old, Timestamp::now());
    }

    fn validate_status(&self, object: &Value, old: &Value, errors: &mut Errors) {
        conditions::validate(object, old, errors);
        let (new, was) = (&object["status"]["certificate"], &old["status"]["certificate"]);
        let path = Path::new("status").child("certificate");
        if new != was
            && let Err(detail) = pem::check_certificate(text(new))
        {
            errors.invalid_text(&path, "<certificate data>", &detail);
        }
        conditions::keep(object, old, false, errors);
        if new != was && !text(was).is_empty() {
            errors.forbidden(&path, "updates may not modify existing certificate content");
        }
    }

    fn prepare_subresource(&self, _subresource: &str, object: &mut Value, old: &Value) {
        conditions::stamp(object, old, Timestamp::now());
        let conditions = object["status"]["conditions"].clone();
        object["spec"] = old["spec"].clone();
        object["status"] = old["status"].clone();
        object["status"]["conditions"] = conditions;
    }

    fn validate_subresource(&self, _subresource: &str, object: &Value, old: &Value, errors: &mut Errors) {
        conditions::validate(object, old, errors);
        conditions::keep(object, old, true, errors);
    }

    fn columns(&self) -> Vec<Column> {
        table::columns(COLUMNS)
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let spec = &object["spec"];
        let duration = spec["expirationSeconds"].as_i64().map_or("<none>".to_owned(), age::human);
        vec![
            object["metadata"]["name"].clone(),
            table::age(object, now),
            table::or(&spec["signerName"], "<none>"),
            table::string(&spec["username"]),
            duration.into(),
            state(object).into(),
        ]
    }
}

fn signer(name: &str, path: &Path, errors: &mut Errors) {
    if name.is_empty() {
        errors.required(path, "");
        return;
    }
    if name == LEGACY_SIGNER {
        errors.invalid_text(path, name, "the legacy signerName is not allowed via this API version");
        return;
    }
    let Some((domain, rest)) = name.split_once('/').filter(|(_, rest)| !rest.contains('/')) else {
        let detail = "must be a fully qualified domain and path of the form 'example.com/signer-name'";
        errors.invalid_text(path, name, detail);
        return;
    };
    for fault in names::dns1123_subdomain(domain) {
        errors.invalid_text(path, domain, &fault);
    }
    if domain.split('.').count() < 2 {
        errors.invalid_text(path, domain, "should be a domain with at least two segments separated by dots");
    }
    formatted(rest, names::dns1123_subdomain, path, errors);
    if name.len() > SIGNER_MAX {
        errors.too_long(path, SIGNER_MAX);
    }
}

fn state(object: &Value) -> String {
    let status = &object["status"];
    let has = |wanted: &str| items(&status["conditions"]).iter().any(|one| one["type"] == wanted);
    let mut state = match (has("Denied"), has("Approved")) {
        (true, _) => "Denied",
        (false, true) => "Approved",
        (false, false) => "Pending",
    }
    .to_owned();
    if has("Failed") {
        state.push_str(",Failed");
    }
    if !text(&status["certificate"]).is_empty() {
        state.push_str(",Issued");
    }
    state
}

//! CertificateSubjectRestriction, CertificateApproval and CertificateSigning: nobody asks for the rights
//! of the administrators, and only who may do so for a signer approves and signs; and who asked, which
//! the server alone says.

use serde_json::{Value, json};

use super::refuse;
use crate::kinds::Kind;
use crate::kinds::certificates::signing_request::{CLIENT_SIGNER, GROUP, organizations};
use crate::registry::rbac::{Attributes, MASTERS};
use crate::registry::{Part, Registry, User, WriteOptions};
use crate::schema::field::quote;
use crate::schema::object::Object;
use crate::schema::status::Status;

/// Whether these are the requests for certificates.
fn is_request(kind: &Kind) -> bool {
    kind.group == GROUP && kind.plural == "certificatesigningrequests"
}

/// Refuses a request for the rights of the administrators.
pub fn create(kind: &Kind, object: &Value) -> Result<(), Status> {
    if !is_request(kind) || object.text("/spec/signerName") != CLIENT_SIGNER {
        return Ok(());
    }
    let groups = organizations(object.text("/spec/request"))
        .map_err(|fault| refuse(kind, object, &format!("failed to parse CSR: {fault}")))?;
    if groups.iter().any(|group| group == MASTERS) {
        let detail = format!("use of {CLIENT_SIGNER} signer with {MASTERS} group is not allowed");
        return Err(refuse(kind, object, &detail));
    }
    Ok(())
}

/// Says who asks.
pub fn stamp(kind: &Kind, object: &mut Value, user: &User) {
    if !is_request(kind) {
        return;
    }
    let spec = object.section_mut("spec");
    for key in ["username", "uid", "groups", "extra"] {
        spec.remove(key);
    }
    for (key, value) in [("username", &user.name), ("uid", &user.uid)] {
        if !value.is_empty() {
            spec.insert(key.into(), value.as_str().into());
        }
    }
    if !user.groups.is_empty() {
        spec.insert("groups".into(), json!(user.groups));
    }
    if !user.extra.is_empty() {
        spec.insert("extra".into(), json!(user.extra));
    }
}

/// Refuses an approval or a certificate by somebody who may not give it for the signer.
pub async fn update(
    registry: &Registry,
    kind: &Kind,
    part: Part,
    object: &Value,
    old: &Value,
    options: &WriteOptions,
) -> Result<(), Status> {
    if !is_request(kind) {
        return Ok(());
    }
    let same = |key: &str| object["status"][key] == old["status"][key];
    let verb = match part {
        Part::Sub("approval") => "approve",
        Part::Status if !same("certificate") || !same("conditions") => "sign",
        _ => return Ok(()),
    };
    let signer = old.text("/spec/signerName");
    let domain = format!("{}/*", signer.split('/').next().unwrap_or_default());
    for name in [signer, &domain] {
        let may = Attributes { verb, group: GROUP, resource: "signers", name, ..Attributes::default() };
        if registry.authorize(&options.user, &may).await?.allowed {
            return Ok(());
        }
    }
    let detail = format!("user not permitted to {verb} requests with signerName {}", quote(signer));
    Err(refuse(kind, old, &detail))
}

//! Certificates for those who asked and were approved, and the end of old requests. Upstream:
//! csrsigning and csrcleaner controllers; of the signers only that for clients of the API, since there
//! are no kubelets here.

mod clean;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::cluster::Cluster;
use super::{Controller, ObjectKey, Source, time};
use crate::kinds::certificates::signing_request::{CLIENT_SIGNER, GROUP};
use crate::registry::Registry;
use crate::schema::object::Object;
use crate::schema::rules::{items, text};
use crate::schema::status::Status;

const PLURAL: &str = "certificatesigningrequests";
/// The signers of upstream that sign for kubelets.
const KUBELET_SIGNERS: [&str; 2] = ["kubernetes.io/kubelet-serving", "kubernetes.io/kube-apiserver-client-kubelet"];
/// The shortest life of a certificate, and the longest, which is that where none is asked for.
const LIFE: (u64, u64) = (600, 365 * 24 * 3600);

/// Signs certificates in the name of the cluster's authority.
pub trait CertificateSigner: Send + Sync {
    /// The certificate (PEM) for a request (PEM), for these usages alone.
    ///
    /// # Errors
    /// In words, where the request cannot be signed.
    fn sign(&self, request: &str, usages: &[&str], life: Duration) -> Result<String, String>;
}

/// The controller; its keys are requests.
pub struct SigningController {
    cluster: Cluster,
    signer: Arc<dyn CertificateSigner>,
}

impl SigningController {
    /// The controller.
    #[must_use]
    pub fn new(registry: &Registry, signer: Arc<dyn CertificateSigner>) -> Self {
        Self { cluster: Cluster::new(registry, "certificate-controller"), signer }
    }

    async fn sync(&self, name: &str) -> Result<Option<Duration>, Status> {
        let Some(mut request) = self.cluster.get(GROUP, PLURAL, ("", name)).await? else { return Ok(None) };
        let now = Timestamp::now();
        let Some(left) = clean::left(&request, now) else {
            let target = self.cluster.registry.target(GROUP, PLURAL, "", name)?;
            self.cluster.delete(&target, request.uid(), None).await?;
            return Ok(None);
        };
        match decide(&request, self.signer.as_ref()) {
            Decision::Nothing => return Ok(Some(left)),
            Decision::Issue(certificate) => {
                request["status"]["certificate"] = STANDARD.encode(certificate).into();
            }
            Decision::Fail(message) => {
                let failed = json!({
                    "type": "Failed",
                    "status": "True",
                    "reason": "SignerValidationFailure",
                    "message": message,
                    "lastUpdateTime": time(now),
                });
                if let Some(conditions) = request["status"]["conditions"].as_array_mut() {
                    conditions.push(failed);
                }
            }
        }
        self.cluster.update_status(GROUP, PLURAL, &request).await?;
        Ok(Some(left))
    }
}

/// What becomes of a request.
#[derive(Debug, PartialEq, Eq)]
enum Decision {
    Nothing,
    Issue(String),
    Fail(String),
}

fn decide(request: &Value, signer: &dyn CertificateSigner) -> Decision {
    let has = |kind: &str| {
        let conditions = items(&request["status"]["conditions"]);
        conditions.iter().any(|one| one["type"] == kind && one["status"] == "True")
    };
    let issued = !request.text("/status/certificate").is_empty();
    if !has("Approved") || has("Denied") || has("Failed") || issued {
        return Decision::Nothing;
    }
    let name = request.text("/spec/signerName");
    if KUBELET_SIGNERS.contains(&name) {
        return Decision::Fail(format!("nobody signs for {name} here: the node of this cluster has no kubelet"));
    }
    if name != CLIENT_SIGNER {
        return Decision::Nothing;
    }
    let usages: Vec<&str> = request.list("/spec/usages").iter().map(text).collect();
    if let Some(wrong) = usages.iter().find(|usage| !USAGES.contains(usage)) {
        return Decision::Fail(format!("invalid usage for client certificate: {wrong}"));
    }
    if !usages.contains(&CLIENT_AUTH) {
        return Decision::Fail(format!("missing required usage for client certificate: {CLIENT_AUTH}"));
    }
    let asked = request.int("/spec/expirationSeconds").and_then(|seconds| u64::try_from(seconds).ok());
    let life = Duration::from_secs(asked.unwrap_or(LIFE.1).clamp(LIFE.0, LIFE.1));
    let pem = STANDARD.decode(request.text("/spec/request")).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    match signer.sign(pem.as_deref().unwrap_or_default(), &usages, life) {
        Ok(certificate) => Decision::Issue(certificate),
        Err(fault) => Decision::Fail(fault),
    }
}

const CLIENT_AUTH: &str = "client auth";
const USAGES: [&str; 3] = ["digital signature", "key encipherment", CLIENT_AUTH];

impl Controller for SigningController {
    fn name(&self) -> &'static str {
        "certificate-controller"
    }

    fn sources(&self) -> Vec<Source> {
        vec![Source::own(GROUP, PLURAL)]
    }

    fn reconcile<'a>(&'a self, key: &'a ObjectKey) -> BoxFuture<'a, Result<Option<Duration>, Status>> {
        Box::pin(self.sync(&key.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Echo;

    impl CertificateSigner for Echo {
        fn sign(&self, request: &str, usages: &[&str], life: Duration) -> Result<String, String> {
            Ok(format!("{request} {} {}", usages.join(","), life.as_secs()))
        }
    }

    fn request(signer: &str, usages: Value, condition: &str) -> Value {
        json!({
            "spec": {"request": STANDARD.encode("pem"), "signerName": signer, "usages": usages},
            "status": {"conditions": [{"type": condition, "status": "True"}]},
        })
    }

    #[test]
    fn who_is_approved_gets_a_certificate_for_as_long_as_asked() {
        let mut client = request(CLIENT_SIGNER, json!([CLIENT_AUTH]), "Approved");
        assert_eq!(decide(&client, &Echo), Decision::Issue("pem client auth 31536000".into()));
        for (asked, given) in [(600, 600), (7200, 7200), (99_999_999, 31_536_000)] {
            client["spec"]["expirationSeconds"] = asked.into();
            assert_eq!(decide(&client, &Echo), Decision::Issue(format!("pem client auth {given}")));
        }
        client["status"]["certificate"] = "eA==".into();
        assert_eq!(decide(&client, &Echo), Decision::Nothing);
        assert_eq!(decide(&request(CLIENT_SIGNER, json!([CLIENT_AUTH]), "Denied"), &Echo), Decision::Nothing);
        assert_eq!(decide(&request("plant.example/x", json!([CLIENT_AUTH]), "Approved"), &Echo), Decision::Nothing);
    }

    #[test]
    fn what_is_not_for_clients_fails_for_good() {
        let fails = |signer: &str, usages: Value| match decide(&request(signer, usages, "Approved"), &Echo) {
            Decision::Fail(message) => message,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            fails(CLIENT_SIGNER, json!([CLIENT_AUTH, "server auth"])),
            "invalid usage for client certificate: server auth"
        );
        assert_eq!(
            fails(CLIENT_SIGNER, json!(["digital signature"])),
            "missing required usage for client certificate: client auth"
        );
        assert!(fails(KUBELET_SIGNERS[0], json!(["server auth"])).contains("no kubelet"));
    }
}

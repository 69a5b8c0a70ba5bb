//! Security contexts. Each field reaches the container or the container is refused: to leave one out
//! in silence would take protection away.

use serde_json::Value;

use super::Refusal;
use crate::engine::{ImageDetail, Seccomp, Security};
use crate::schema::object::Object;

/// The user and the rights of a container.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rights {
    /// `uid`, `uid:gid` or as the image says (`None`).
    pub user: Option<String>,
    /// Rights.
    pub security: Security,
}

/// A field of the container's context, or else of the pod's.
fn either<'a>(pod: &'a Value, container: &'a Value, name: &str) -> &'a Value {
    let own = &container["securityContext"][name];
    if own.is_null() { &pod["spec"]["securityContext"][name] } else { own }
}

/// Reads both contexts. `profile` gives the text of a seccomp profile of the host by its name.
///
/// # Errors
/// What cannot be given, or what the image contradicts, in the words of the kubelet where it has them.
pub fn rights(
    pod: &Value,
    container: &Value,
    image: &ImageDetail,
    profile: impl Fn(&str) -> Option<String>,
) -> Result<Rights, Refusal> {
    let context = &container["securityContext"];
    let user = user(pod, container, image)?;
    let privileged = context["privileged"] == true;
    if context["procMount"].as_str().is_some_and(|kind| kind == "Unmasked") && pod["spec"]["hostUsers"] != false {
        return Err(Refusal::config(
            "procMount Unmasked needs a user namespace, which this engine does not give a pod",
        ));
    }
    if pod["spec"]["hostUsers"] == false {
        return Err(Refusal::config(
            "hostUsers: false is not supported: the engine has no user namespace for each pod",
        ));
    }
    if !context["windowsOptions"].is_null() || !pod["spec"]["securityContext"]["windowsOptions"].is_null() {
        return Err(Refusal::config("windowsOptions cannot be used on Linux"));
    }
    let mut security = Security {
        privileged,
        cap_add: capabilities(context, "add"),
        cap_drop: capabilities(context, "drop"),
        no_new_privileges: context["allowPrivilegeEscalation"] == false,
        seccomp: seccomp(either(pod, container, "seccompProfile"), privileged, profile)?,
        apparmor: app_armor(either(pod, container, "appArmorProfile"))?,
        selinux: selinux(either(pod, container, "seLinuxOptions")),
        read_only_root: context["readOnlyRootFilesystem"] == true,
        ..Security::default()
    };
    let shared = &pod["spec"]["securityContext"];
    let groups = shared.list("/supplementalGroups").iter().chain(shared.get("fsGroup"));
    security.groups = groups.filter_map(Value::as_i64).map(|group| group.to_string()).collect();
    security.groups.dedup();
    Ok(Rights { user, security })
}

fn user(pod: &Value, container: &Value, image: &ImageDetail) -> Result<Option<String>, Refusal> {
    let user = either(pod, container, "runAsUser").as_i64();
    let group = either(pod, container, "runAsGroup").as_i64();
    if either(pod, container, "runAsNonRoot") == true {
        non_root(pod, container, user, image)?;
    }
    let (of_image, _) = image.user.split_once(':').unwrap_or((&image.user, ""));
    Ok(match (user, group) {
        (Some(user), Some(group)) => Some(format!("{user}:{group}")),
        (Some(user), None) => Some(user.to_string()),
        (None, Some(group)) if of_image.is_empty() => Some(format!("0:{group}")),
        (None, Some(group)) => Some(format!("{of_image}:{group}")),
        (None, None) => None,
    })
}

fn non_root(pod: &Value, container: &Value, user: Option<i64>, image: &ImageDetail) -> Result<(), Refusal> {
    let place =
        format!("(pod: \"{}_{}({})\", container: {})", pod.name(), pod.namespace(), pod.uid(), container.text("/name"));
    let refuse = |what: String| Err(Refusal::config(format!("{what} {place}")));
    match user {
        Some(0) => return refuse("container's runAsUser breaks non-root policy".into()),
        Some(_) => return Ok(()),
        None => {}
    }
    let (name, _) = image.user.split_once(':').unwrap_or((&image.user, ""));
    match name.parse::<i64>() {
        Ok(0) => refuse("container has runAsNonRoot and image will run as root".into()),
        Ok(_) => Ok(()),
        Err(_) if name.is_empty() => refuse("container has runAsNonRoot and image will run as root".into()),
        Err(_) => refuse(format!(
            "container has runAsNonRoot and image has non-numeric user ({name}), cannot verify user is non-root"
        )),
    }
}

fn capabilities(context: &Value, list: &str) -> Vec<String> {
    let names = context["capabilities"].list(&format!("/{list}")).iter().filter_map(Value::as_str);
    names.map(|name| name.strip_prefix("CAP_").unwrap_or(name).to_owned()).collect()
}

/// Upstream runs containers without a profile where none is named; here the engine's own stays in
/// force, which only takes more away.
fn seccomp(wanted: &Value, privileged: bool, profile: impl Fn(&str) -> Option<String>) -> Result<Seccomp, Refusal> {
    match wanted.text("/type") {
        _ if privileged => Ok(Seccomp::Unconfined),
        "" | "RuntimeDefault" => Ok(Seccomp::Default),
        "Unconfined" => Ok(Seccomp::Unconfined),
        "Localhost" => {
            let name = wanted.text("/localhostProfile");
            let text = profile(name).ok_or_else(|| {
                Refusal::config(format!("failed to generate seccomp spec opts: cannot load seccomp profile \"{name}\""))
            });
            Ok(Seccomp::Profile(text?))
        }
        other => Err(Refusal::config(format!("seccomp profile type {other} is not known to this node"))),
    }
}

fn app_armor(wanted: &Value) -> Result<Option<String>, Refusal> {
    match wanted.text("/type") {
        "" | "RuntimeDefault" => Ok(None),
        "Unconfined" => Ok(Some("unconfined".to_owned())),
        "Localhost" => Ok(Some(wanted.text("/localhostProfile").to_owned())),
        other => Err(Refusal::config(format!("AppArmor profile type {other} is not known to this node"))),
    }
}

fn selinux(options: &Value) -> Vec<String> {
    let pairs = ["user", "role", "type", "level"].into_iter().map(|name| (name, options[name].as_str().unwrap_or("")));
    pairs.filter(|(_, value)| !value.is_empty()).map(|(name, value)| format!("{name}:{value}")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(context: Value) -> Value {
        json!({"metadata": {"name": "p", "namespace": "ns", "uid": "u"}, "spec": {"securityContext": context}})
    }

    fn of(pod_context: Value, context: Value, user: &str) -> Result<Rights, Refusal> {
        let image = ImageDetail { user: user.into(), ..ImageDetail::default() };
        let container = json!({"name": "c", "securityContext": context});
        rights(&pod(pod_context), &container, &image, |name| (name == "p.json").then(|| "{}".to_owned()))
    }

    #[test]
    fn the_container_wins_over_the_pod() {
        let got = of(
            json!({"runAsUser": 5, "runAsGroup": 6, "fsGroup": 9, "supplementalGroups": [7]}),
            json!({"runAsUser": 8, "capabilities": {"drop": ["ALL"], "add": ["CAP_NET_RAW"]},
                "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true}),
            "",
        )
        .expect("rights");
        assert_eq!(got.user.as_deref(), Some("8:6"));
        assert_eq!(got.security.groups, ["7", "9"]);
        assert_eq!((got.security.cap_add, got.security.cap_drop), (vec!["NET_RAW".into()], vec!["ALL".into()]));
        assert!(got.security.no_new_privileges && got.security.read_only_root);
        assert_eq!(of(json!({"runAsGroup": 3}), json!({}), "app:app").expect("rights").user.as_deref(), Some("app:3"));
        assert_eq!(of(json!({}), json!({}), "app").expect("rights").user, None);
    }

    #[test]
    fn root_is_refused_where_it_is_forbidden() {
        let message = |context, user| of(json!({"runAsNonRoot": true}), context, user).expect_err("refused").message;
        let place = "(pod: \"p_ns(u)\", container: c)";
        let root = format!("container has runAsNonRoot and image will run as root {place}");
        assert_eq!(message(json!({}), ""), root);
        assert_eq!(message(json!({}), "0:5"), root);
        assert_eq!(
            message(json!({}), "app"),
            format!(
                "container has runAsNonRoot and image has non-numeric user (app), cannot verify user is non-root {place}"
            )
        );
        assert_eq!(
            message(json!({"runAsUser": 0}), "5"),
            format!("container's runAsUser breaks non-root policy {place}")
        );
        assert!(of(json!({"runAsNonRoot": true}), json!({}), "1000").is_ok());
        assert!(of(json!({"runAsNonRoot": true}), json!({"runAsNonRoot": false}), "").is_ok());
    }

    #[test]
    fn what_cannot_be_given_is_refused() {
        assert!(of(json!({"seccompProfile": {"type": "Localhost", "localhostProfile": "no"}}), json!({}), "").is_err());
        let got = of(json!({"seccompProfile": {"type": "Localhost", "localhostProfile": "p.json"}}), json!({}), "");
        assert_eq!(got.expect("profile").security.seccomp, Seccomp::Profile("{}".into()));
        let mut user_namespace = pod(json!({}));
        user_namespace["spec"]["hostUsers"] = false.into();
        assert!(rights(&user_namespace, &json!({}), &ImageDetail::default(), |_| None).is_err());
    }
}

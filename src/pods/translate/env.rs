//! The variables of a container (API reference of `Container.env` and `envFrom`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::expand::expand;
use super::{Place, Refusal, Sources, fields};
use crate::schema::object::Object;

/// Variables in order, each name once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables(Vec<(String, String)>);

impl Variables {
    fn set(&mut self, name: &str, value: String) {
        match self.0.iter_mut().find(|(key, _)| key == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// All of them.
    pub fn into_vec(self) -> Vec<(String, String)> {
        self.0
    }

    /// Replaces `$(NAME)` in a text.
    pub fn expand(&self, text: &str) -> String {
        expand(text, |name| self.get(name).map(str::to_owned))
    }
}

/// The variables of a container.
///
/// # Errors
/// Something that it refers to is not there and not optional, in the words of the kubelet.
pub fn variables(pod: &Value, container: &Value, sources: &Sources, place: &Place) -> Result<Variables, Refusal> {
    let mut services = Variables::default();
    for (name, value) in fields::service_variables(&sources.services) {
        services.set(&name, value);
    }
    let mut all = Variables::default();
    for from in container.list("/envFrom") {
        add_all(&mut all, from, sources)?;
    }
    let mut own = Variables::default();
    for variable in container.list("/env") {
        let name = variable.text("/name");
        let value = match variable.get("valueFrom").filter(|from| !from.is_null()) {
            None => {
                let known = |name: &str| own.get(name).or_else(|| services.get(name)).map(str::to_owned);
                Some(expand(variable.text("/value"), known))
            }
            Some(from) => value_from(pod, container, from, sources, place)?,
        };
        if let Some(value) = value {
            own.set(name, value.clone());
            all.set(name, value);
        }
    }
    for (name, value) in services.into_vec() {
        if all.get(&name).is_none() {
            all.set(&name, value);
        }
    }
    Ok(all)
}

fn add_all(all: &mut Variables, from: &Value, sources: &Sources) -> Result<(), Refusal> {
    let prefix = from.text("/prefix");
    if let Some(reference) = from.get("configMapRef") {
        let name = reference.text("/name");
        match sources.config_maps.get(name) {
            Some(map) => {
                for (key, value) in map.map("/data").into_iter().flatten() {
                    add(all, prefix, key, value.as_str().unwrap_or_default().to_owned());
                }
            }
            None if is_optional(reference) => {}
            None => return Err(Refusal::config(format!("configmap \"{name}\" not found"))),
        }
    }
    if let Some(reference) = from.get("secretRef") {
        let name = reference.text("/name");
        match sources.secrets.get(name) {
            Some(secret) => {
                for (key, value) in secret.map("/data").into_iter().flatten() {
                    add(all, prefix, key, decoded(value));
                }
            }
            None if is_optional(reference) => {}
            None => return Err(Refusal::config(format!("secret \"{name}\" not found"))),
        }
    }
    Ok(())
}

/// A key that is no name of a variable is left out, as upstream does.
fn add(all: &mut Variables, prefix: &str, key: &str, value: String) {
    let name = format!("{prefix}{key}");
    let fits = !name.is_empty() && name.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'=');
    if fits {
        all.set(&name, value);
    }
}

fn value_from(
    pod: &Value,
    container: &Value,
    from: &Value,
    sources: &Sources,
    place: &Place,
) -> Result<Option<String>, Refusal> {
    if let Some(reference) = from.get("configMapKeyRef") {
        let (name, key) = (reference.text("/name"), reference.text("/key"));
        let Some(map) = sources.config_maps.get(name) else {
            return missing(reference, format!("configmap \"{name}\" not found"));
        };
        return match map.pointer("/data").and_then(|data| data.get(key)).and_then(Value::as_str) {
            Some(value) => Ok(Some(value.to_owned())),
            None => missing(reference, format!("couldn't find key {key} in ConfigMap {}/{name}", pod.namespace())),
        };
    }
    if let Some(reference) = from.get("secretKeyRef") {
        let (name, key) = (reference.text("/name"), reference.text("/key"));
        let Some(secret) = sources.secrets.get(name) else {
            return missing(reference, format!("secret \"{name}\" not found"));
        };
        return match secret.pointer("/data").and_then(|data| data.get(key)) {
            Some(value) => Ok(Some(decoded(value))),
            None => missing(reference, format!("couldn't find key {key} in Secret {}/{name}", pod.namespace())),
        };
    }
    if let Some(reference) = from.get("fieldRef") {
        let path = reference.text("/fieldPath");
        let value = fields::field(pod, path, place);
        return value.map(Some).ok_or_else(|| Refusal::config(format!("unsupported fieldPath: {path}")));
    }
    if let Some(reference) = from.get("resourceFieldRef") {
        let of = reference.text("/containerName");
        let other = ["/spec/containers", "/spec/initContainers"].into_iter().flat_map(|list| pod.list(list));
        let other = other.into_iter().find(|other| !of.is_empty() && other.text("/name") == of);
        let resource = reference.text("/resource");
        let divisor = reference.get("divisor").unwrap_or(&Value::Null);
        let value = fields::resource(other.unwrap_or(container), resource, divisor, place);
        return value.map(Some).ok_or_else(|| Refusal::config(format!("unsupported container resource : {resource}")));
    }
    Err(Refusal::config("a variable comes from a source that this node does not know"))
}

fn missing(reference: &Value, message: String) -> Result<Option<String>, Refusal> {
    if is_optional(reference) { Ok(None) } else { Err(Refusal::config(message)) }
}

fn is_optional(reference: &Value) -> bool {
    reference["optional"] == true
}

fn decoded(value: &Value) -> String {
    let bytes = STANDARD.decode(value.as_str().unwrap_or_default()).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sources() -> Sources {
        let mut sources = Sources::default();
        sources.config_maps.insert("cm".into(), json!({"data": {"A": "1", "b.c": "2", "x=y": "3"}}));
        sources.secrets.insert("s".into(), json!({"data": {"PW": "c2VjcmV0"}}));
        sources.services.push(json!({"metadata": {"name": "kubernetes"}, "spec": {"clusterIP": "10.43.0.1",
            "ports": [{"port": 443, "protocol": "TCP"}]}}));
        sources
    }

    fn of(container: &Value) -> Result<Variables, Refusal> {
        let pod = json!({"metadata": {"name": "p", "namespace": "ns"}});
        variables(&pod, container, &sources(), &Place::default())
    }

    #[test]
    fn own_variables_win_and_see_those_before_them() {
        let container = json!({
            "envFrom": [{"configMapRef": {"name": "cm"}, "prefix": "P_"}, {"secretRef": {"name": "s"}}],
            "env": [
                {"name": "ONE", "value": "1"}, {"name": "TWO", "value": "$(ONE)-$(LATER)-$(P_A)"},
                {"name": "URL", "value": "https://$(KUBERNETES_SERVICE_HOST)"}, {"name": "PW", "value": "own"},
                {"name": "LATER", "value": "x"},
                {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "PW"}}},
                {"name": "GONE", "valueFrom": {"configMapKeyRef": {"name": "none", "key": "x", "optional": true}}},
                {"name": "ME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            ],
        });
        let got = of(&container).expect("all is there");
        assert_eq!(got.get("TWO"), Some("1-$(LATER)-$(P_A)"));
        assert_eq!(got.get("P_b.c"), Some("2"));
        assert_eq!(got.get("P_x=y"), None);
        assert_eq!(got.get("URL"), Some("https://10.43.0.1"));
        assert_eq!((got.get("PW"), got.get("KEY"), got.get("ME")), (Some("own"), Some("secret"), Some("p")));
        assert_eq!(got.get("GONE"), None);
        assert_eq!(got.expand("$(P_A) $(KEY)"), "1 secret");
    }

    #[test]
    fn what_is_missing_is_named_as_the_kubelet_names_it() {
        let table = [
            (json!({"configMapKeyRef": {"name": "no", "key": "k"}}), "configmap \"no\" not found"),
            (json!({"configMapKeyRef": {"name": "cm", "key": "k"}}), "couldn't find key k in ConfigMap ns/cm"),
            (json!({"secretKeyRef": {"name": "no", "key": "k"}}), "secret \"no\" not found"),
            (json!({"secretKeyRef": {"name": "s", "key": "k"}}), "couldn't find key k in Secret ns/s"),
        ];
        for (from, message) in table {
            let refusal = of(&json!({"env": [{"name": "X", "valueFrom": from}]})).expect_err(message);
            assert_eq!((refusal.reason, refusal.message.as_str()), ("CreateContainerConfigError", message));
        }
        let refusal = of(&json!({"envFrom": [{"secretRef": {"name": "no"}}]})).expect_err("no secret");
        assert_eq!(refusal.message, "secret \"no\" not found");
    }
}

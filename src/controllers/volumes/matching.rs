//! Which volume fits a claim. Pure. Source: the API reference of PersistentVolumeClaim (access modes,
//! class, mode, selector, size; the smallest volume that is large enough).

use serde_json::Value;

use crate::controllers::pods::labels;
use crate::schema::object::Object;
use crate::schema::quantity::Quantity;
use crate::schema::selector::Selector;

/// The volume for a claim: one that is meant for it, else the smallest free one that fits. A claim whose
/// binding is delayed gets only one that is meant for it.
pub fn best<'a>(claim: &Value, volumes: &'a [Value], delayed: bool) -> Option<&'a Value> {
    let usable = |volume: &&Value| modes_fit(claim, volume) && !volume.is_deleting() && volume_mode_fits(claim, volume);
    let meant = volumes.iter().filter(usable).find(|volume| is_for(volume, claim) && is_large_enough(claim, volume));
    if meant.is_some() || delayed {
        return meant;
    }
    let selector = Selector::from_object(&claim["spec"]["selector"]).ok().filter(|selector| !selector.is_nothing());
    volumes
        .iter()
        .filter(usable)
        .filter(|volume| volume["spec"].get("claimRef").is_none_or(Value::is_null))
        .filter(|volume| volume["status"]["phase"] == "Available")
        .filter(|volume| class(volume) == class(claim))
        .filter(|volume| selector.as_ref().is_none_or(|selector| selector.matches(labels(volume))))
        .filter(|volume| is_large_enough(claim, volume))
        .min_by(|left, right| size(left).cmp(&size(right)))
}

/// Whether a volume names that claim as its own.
pub fn is_for(volume: &Value, claim: &Value) -> bool {
    let reference = &volume["spec"]["claimRef"];
    let same = reference["name"] == claim.name() && reference["namespace"] == claim.namespace();
    same && (reference.text("/uid").is_empty() || reference["uid"] == claim.uid())
}

/// Why a volume that a claim asks for by name is not for it.
pub fn fault(claim: &Value, volume: &Value) -> Option<&'static str> {
    if !is_large_enough(claim, volume) {
        return Some("requested PV is too small");
    }
    if class(volume) != class(claim) {
        return Some("storageClassName does not match");
    }
    if !volume_mode_fits(claim, volume) {
        return Some("incompatible volumeMode");
    }
    if !modes_fit(claim, volume) {
        return Some("incompatible accessMode");
    }
    None
}

fn class(object: &Value) -> &str {
    object.text("/spec/storageClassName")
}

fn modes_fit(claim: &Value, volume: &Value) -> bool {
    let offered = volume.list("/spec/accessModes");
    claim.list("/spec/accessModes").iter().all(|mode| offered.contains(mode))
}

fn volume_mode_fits(claim: &Value, volume: &Value) -> bool {
    let of = |object: &Value| match object.text("/spec/volumeMode") {
        "" => "Filesystem".to_owned(),
        mode => mode.to_owned(),
    };
    of(claim) == of(volume)
}

fn is_large_enough(claim: &Value, volume: &Value) -> bool {
    size(volume) >= Quantity::of(&claim["spec"]["resources"]["requests"]["storage"]).unwrap_or_default()
}

fn size(volume: &Value) -> Quantity {
    Quantity::of(&volume["spec"]["capacity"]["storage"]).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn volume(name: &str, size: &str) -> Value {
        json!({
            "metadata": {"name": name},
            "spec": {"storageClassName": "c", "capacity": {"storage": size},
                "accessModes": ["ReadWriteOnce", "ReadOnlyMany"]},
            "status": {"phase": "Available"},
        })
    }

    fn claim(size: &str) -> Value {
        json!({
            "metadata": {"name": "c", "namespace": "n", "uid": "u"},
            "spec": {"storageClassName": "c", "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": size}}},
        })
    }

    #[test]
    fn the_smallest_that_is_large_enough() {
        let volumes = [volume("a", "10Gi"), volume("b", "2Gi"), volume("c", "500Mi")];
        assert_eq!(best(&claim("1Gi"), &volumes, false).map(Object::name), Some("b"));
        assert_eq!(best(&claim("20Gi"), &volumes, false), None);
        assert_eq!(best(&claim("1Gi"), &volumes, true), None);
    }

    #[test]
    fn one_that_is_meant_for_the_claim_comes_first() {
        let mut meant = volume("a", "10Gi");
        meant["spec"]["claimRef"] = json!({"name": "c", "namespace": "n"});
        let mut other = volume("b", "1Gi");
        other["spec"]["claimRef"] = json!({"name": "x", "namespace": "n"});
        let volumes = [other, volume("c", "1Gi"), meant];
        assert_eq!(best(&claim("1Gi"), &volumes, true).map(Object::name), Some("a"));
    }

    #[test]
    fn labels_modes_and_class_count() {
        let mut wanted = claim("1Gi");
        wanted["spec"]["selector"] = json!({"matchLabels": {"a": "b"}});
        assert_eq!(best(&wanted, &[volume("a", "1Gi")], false), None);
        let mut many = claim("1Gi");
        many["spec"]["accessModes"] = json!(["ReadWriteMany"]);
        assert_eq!(fault(&many, &volume("a", "1Gi")), Some("incompatible accessMode"));
        let mut class = volume("a", "1Gi");
        class["spec"]["storageClassName"] = "d".into();
        assert_eq!(fault(&claim("1Gi"), &class), Some("storageClassName does not match"));
        assert_eq!(fault(&claim("2Gi"), &volume("a", "1Gi")), Some("requested PV is too small"));
    }
}

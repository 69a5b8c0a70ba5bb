//! Which container of a pod a request for a log or a stream means.

use serde_json::Value;

use crate::schema::object::Object;
use crate::schema::status::Status;

/// Names the container of a pod that is meant: the one asked for, or the only one.
///
/// # Errors
/// 400, in the words of the API server, where none or too many are there.
pub fn choose(pod: &Value, asked: &str) -> Result<String, Status> {
    let names = |list: &str| -> Vec<String> {
        pod.list(&format!("/spec/{list}")).iter().map(|one| one.text("/name").to_owned()).collect()
    };
    let (main, init, ephemeral) = (names("containers"), names("initContainers"), names("ephemeralContainers"));
    if !asked.is_empty() {
        let known = main.iter().chain(&init).chain(&ephemeral).any(|name| name == asked);
        let message = format!("container {asked} is not valid for pod {}", pod.name());
        return if known { Ok(asked.to_owned()) } else { Err(Status::bad_request(message)) };
    }
    match main.as_slice() {
        [one] => Ok(one.clone()),
        _ => {
            let all: Vec<&str> = init.iter().chain(&main).chain(&ephemeral).map(String::as_str).collect();
            Err(Status::bad_request(format!(
                "a container name must be specified for pod {}, choose one of: [{}]",
                pod.name(),
                all.join(" ")
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_of_several_must_be_named() {
        let pod = json!({"metadata": {"name": "p"}, "spec": {
            "containers": [{"name": "a"}, {"name": "b"}], "initContainers": [{"name": "i"}]}});
        let message = choose(&pod, "").expect_err("which one?").message;
        assert_eq!(message, "a container name must be specified for pod p, choose one of: [i a b]");
        assert_eq!(choose(&pod, "i"), Ok("i".into()));
        assert_eq!(choose(&pod, "x").expect_err("none").message, "container x is not valid for pod p");
    }
}

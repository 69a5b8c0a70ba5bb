//! An event.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::nullable;
use crate::engine::{ContainerAction, Event, ObjectAction};

/// A line of `GET /events`.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::engine) struct EventBody {
    #[serde(default, rename = "Type")]
    kind: String,
    #[serde(default)]
    action: String,
    #[serde(default, deserialize_with = "nullable")]
    actor: ActorBody,
    #[serde(default, rename = "time")]
    seconds: i64,
    #[serde(default, rename = "timeNano")]
    nanoseconds: i64,
    #[serde(default, deserialize_with = "nullable")]
    health_status: String,
}

#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ActorBody {
    #[serde(rename = "ID")]
    id: String,
    #[serde(deserialize_with = "nullable")]
    attributes: BTreeMap<String, String>,
}

impl EventBody {
    /// When it happened, in nanoseconds since 1970.
    pub(in crate::engine) fn nanoseconds(&self) -> i64 {
        if self.nanoseconds != 0 { self.nanoseconds } else { self.seconds.saturating_mul(1_000_000_000) }
    }

    /// What tells one event from another of the same time.
    pub(in crate::engine) fn identity(&self) -> (i64, String, String) {
        (self.nanoseconds(), self.actor.id.clone(), self.action.clone())
    }

    /// `None` for kinds of things that are not followed.
    pub(in crate::engine) fn into_event(mut self) -> Option<Event> {
        let attributes = &mut self.actor.attributes;
        match self.kind.as_str() {
            "container" => {
                let time = jiff::Timestamp::from_nanosecond(i128::from(if self.nanoseconds != 0 {
                    self.nanoseconds
                } else {
                    self.seconds.saturating_mul(1_000_000_000)
                }));
                let number = |keys: &[&str]| keys.iter().find_map(|key| attributes.get(*key)?.parse().ok());
                let (word, argument) = match self.action.split_once(':') {
                    Some((word, argument)) => (word, argument.trim()),
                    None => (self.action.as_str(), ""),
                };
                let exit_code = number(&["exitCode", "containerExitCode"]);
                let action = match word {
                    "create" => ContainerAction::Create,
                    "start" => ContainerAction::Start,
                    "die" | "died" => ContainerAction::Die { exit_code },
                    "oom" => ContainerAction::Oom,
                    "kill" => ContainerAction::Kill { signal: number(&["signal"]) },
                    "stop" => ContainerAction::Stop,
                    "restart" => ContainerAction::Restart,
                    "pause" => ContainerAction::Pause,
                    "unpause" => ContainerAction::Unpause,
                    "rename" => ContainerAction::Rename {
                        old: attributes
                            .get("oldName")
                            .map(|name| name.trim_start_matches('/').to_owned())
                            .unwrap_or_default(),
                    },
                    "update" => ContainerAction::Update,
                    "destroy" | "remove" => ContainerAction::Destroy,
                    "health_status" => ContainerAction::Health(
                        if argument.is_empty() { self.health_status.as_str() } else { argument }.to_owned(),
                    ),
                    "exec_create" => ContainerAction::ExecCreate,
                    "exec_start" | "exec" => ContainerAction::ExecStart,
                    "exec_die" | "exec_died" => ContainerAction::ExecDie {
                        exec: attributes.get("execID").cloned().unwrap_or_default(),
                        exit_code: number(&["exitCode", "containerExitCode"]),
                    },
                    _ => ContainerAction::Other(self.action.clone()),
                };
                let mut take = |key: &str| attributes.remove(key).unwrap_or_default();
                let (name, image) = (take("name").trim_start_matches('/').to_owned(), take("image"));
                Some(Event::Container {
                    action,
                    id: self.actor.id,
                    name,
                    image,
                    attributes: self.actor.attributes,
                    time: time.ok(),
                })
            }
            "image" => Some(Event::Image { action: object_action(self.action), id: self.actor.id }),
            "volume" => {
                // Podman names a volume among the facts only.
                let name = if self.actor.id.is_empty() { attributes.remove("name") } else { Some(self.actor.id) };
                Some(Event::Volume { action: object_action(self.action), name: name.unwrap_or_default() })
            }
            "network" => {
                let mut take = |key: &str| attributes.remove(key);
                let (name, container) = (take("name").unwrap_or_default(), take("container"));
                Some(Event::Network { action: object_action(self.action), id: self.actor.id, name, container })
            }
            _ => None,
        }
    }
}

fn object_action(word: String) -> ObjectAction {
    match word.as_str() {
        "create" | "pull" | "load" | "loadfromarchive" | "import" | "build" | "commit" => ObjectAction::Create,
        "destroy" | "delete" | "remove" => ObjectAction::Remove,
        "tag" => ObjectAction::Tag,
        "untag" => ObjectAction::Untag,
        "mount" | "connect" => ObjectAction::Connect,
        "unmount" | "disconnect" => ObjectAction::Disconnect,
        _ => ObjectAction::Other(word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Event> {
        serde_json::from_str::<EventBody>(text).unwrap().into_event()
    }

    fn action(text: &str) -> ContainerAction {
        match read(text) {
            Some(Event::Container { action, .. }) => action,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn both_engines_words_for_an_end_are_the_same() {
        let docker = r#"{"Type":"container","Action":"die","Actor":{"ID":"a","Attributes":{"exitCode":"3","name":"n","image":"i","k":"v"}},"time":1,"timeNano":1000000001}"#;
        let podman =
            r#"{"Type":"container","Action":"died","Actor":{"ID":"a","Attributes":{"containerExitCode":"3"}}}"#;
        assert_eq!(action(docker), ContainerAction::Die { exit_code: Some(3) });
        assert_eq!(action(podman), ContainerAction::Die { exit_code: Some(3) });
        let Some(Event::Container { name, image, attributes, time, .. }) = read(docker) else { panic!() };
        assert_eq!((name.as_str(), image.as_str()), ("n", "i"));
        assert_eq!(attributes.get("k").map(String::as_str), Some("v"));
        assert_eq!(time.map(|t| t.as_nanosecond()), Some(1_000_000_001));
    }

    #[test]
    fn words_with_arguments_are_split() {
        let health = r#"{"Type":"container","Action":"health_status: healthy","Actor":{"ID":"a","Attributes":null}}"#;
        assert_eq!(action(health), ContainerAction::Health("healthy".into()));
        let exec = r#"{"Type":"container","Action":"exec_create: sh -c a:b","Actor":{"ID":"a"}}"#;
        assert_eq!(action(exec), ContainerAction::ExecCreate);
    }

    #[test]
    fn kinds_that_are_not_followed_are_left_out() {
        assert_eq!(read(r#"{"Type":"daemon","Action":"reload"}"#), None);
        assert_eq!(
            read(r#"{"Type":"volume","Action":"destroy","Actor":{"ID":"v"}}"#),
            Some(Event::Volume { action: ObjectAction::Remove, name: "v".into() })
        );
        assert_eq!(
            read(r#"{"Type":"volume","Action":"remove","Actor":{"ID":"","Attributes":{"name":"v"}}}"#),
            Some(Event::Volume { action: ObjectAction::Remove, name: "v".into() })
        );
    }
}

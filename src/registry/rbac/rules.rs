//! The rules of a role in a compact form, and whether one of them allows a request. Pure: it knows
//! neither users nor bindings.
//!
//! Source of the semantics: the API reference of `PolicyRule`.

use serde_json::{Value, json};

use super::Attributes;
use crate::schema::rules::{items, text};

/// The lists of a rule, in the order in which they are kept.
const LISTS: [&str; 5] = ["verbs", "apiGroups", "resources", "resourceNames", "nonResourceURLs"];

/// The rules of one role: all words in one text, and where they end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    text: Box<str>,
    /// Where each word ends in the text.
    words: Box<[u32]>,
    /// For each rule the number of words up to the end of each of its lists.
    lists: Box<[[u32; 5]]>,
}

/// One rule of [`Rules`].
#[derive(Clone, Copy, Debug)]
pub struct Rule<'a> {
    /// Verbs; `*` is any.
    pub verbs: Words<'a>,
    /// API groups; `*` is any.
    pub groups: Words<'a>,
    /// Resources, `resource/subresource`, `*/subresource`; `*` is any.
    pub resources: Words<'a>,
    /// Names of objects; none is any.
    pub names: Words<'a>,
    /// Paths, perhaps with a `*` at the end.
    pub urls: Words<'a>,
}

/// One list of a rule.
#[derive(Clone, Copy, Debug)]
pub struct Words<'a> {
    of: &'a Rules,
    from: usize,
    to: usize,
}

impl Rules {
    /// Reads the `rules` of a Role or ClusterRole.
    #[must_use]
    pub fn read(rules: &Value) -> Self {
        let (mut all, mut words, mut lists) = (String::new(), Vec::new(), Vec::new());
        for rule in items(rules) {
            lists.push(LISTS.map(|list| {
                for word in items(&rule[list]) {
                    all.push_str(text(word));
                    words.push(u32::try_from(all.len()).unwrap_or(u32::MAX));
                }
                u32::try_from(words.len()).unwrap_or(u32::MAX)
            }));
        }
        Self { text: all.into(), words: words.into(), lists: lists.into() }
    }

    /// The rules one by one.
    pub fn iter(&self) -> impl Iterator<Item = Rule<'_>> {
        self.lists.iter().enumerate().map(|(index, ends)| {
            let before = index.checked_sub(1).and_then(|before| self.lists.get(before)).map_or(0, |ends| ends[4]);
            let words = |from: u32, to: u32| Words { of: self, from: from as usize, to: to as usize };
            let [verbs, groups, resources, names, urls] = *ends;
            Rule {
                verbs: words(before, verbs),
                groups: words(verbs, groups),
                resources: words(groups, resources),
                names: words(resources, names),
                urls: words(names, urls),
            }
        })
    }

    fn word(&self, index: usize) -> &str {
        let end = |index: usize| self.words.get(index).map_or(0, |end| *end as usize);
        let start = index.checked_sub(1).map_or(0, end);
        self.text.get(start..end(index)).unwrap_or_default()
    }
}

impl<'a> Words<'a> {
    /// The words one by one.
    pub fn iter(self) -> impl Iterator<Item = &'a str> {
        (self.from..self.to).map(move |index| self.of.word(index))
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.from >= self.to
    }

    /// Whether that word is among them.
    #[must_use]
    pub fn has(self, word: &str) -> bool {
        self.iter().any(|own| own == word)
    }

    /// Whether all those words are among them.
    #[must_use]
    pub fn has_all(self, words: Words<'_>) -> bool {
        words.iter().all(|word| self.has(word))
    }

    fn to_value(self) -> Value {
        self.iter().map(Value::from).collect()
    }
}

impl Rule<'_> {
    /// Whether the rule allows that.
    #[must_use]
    pub fn allows(&self, what: &Attributes<'_>) -> bool {
        let any = |words: Words<'_>, word: &str| words.iter().any(|own| own == "*" || own == word);
        if !any(self.verbs, what.verb) {
            return false;
        }
        match what.path {
            Some(path) => self.urls.iter().any(|url| covers_path(url, path) || url == "*"),
            None => {
                any(self.groups, what.group)
                    && self.resources.iter().any(|own| is_resource(own, what))
                    && (self.names.is_empty() || self.names.has(what.name))
            }
        }
    }

    /// Whether the rule allows at least all that `other` allows.
    #[must_use]
    pub fn covers(&self, other: &Rule<'_>) -> bool {
        let all = |own: Words<'_>, words: Words<'_>| own.has("*") || own.has_all(words);
        all(self.verbs, other.verbs)
            && all(self.groups, other.groups)
            && (self.resources.has("*") || other.resources.iter().all(|wanted| self.has_resource(wanted)))
            && other.urls.iter().all(|url| self.urls.iter().any(|own| covers_path(own, url)))
            && (self.names.is_empty() || (!other.names.is_empty() && self.names.has_all(other.names)))
    }

    fn has_resource(&self, wanted: &str) -> bool {
        let part = wanted.split_once('/').map(|(_, part)| part);
        self.resources
            .iter()
            .any(|own| own == wanted || part.is_some_and(|part| own.strip_prefix("*/").is_some_and(|own| own == part)))
    }

    /// The rule as the reviews show it.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let lists = [self.verbs, self.groups, self.resources, self.names, self.urls];
        let mut rule = json!({});
        for (key, words) in LISTS.iter().zip(lists) {
            if !words.is_empty() {
                rule[*key] = words.to_value();
            }
        }
        rule
    }
}

/// Whether a path with perhaps a `*` at its end is that path or begins it.
fn covers_path(own: &str, path: &str) -> bool {
    own == path || (own.ends_with('*') && path.starts_with(own.trim_end_matches('*')))
}

/// Whether a resource of a rule is the one that is asked for.
fn is_resource(own: &str, what: &Attributes<'_>) -> bool {
    if own == "*" {
        return true;
    }
    if what.subresource.is_empty() {
        return own == what.resource;
    }
    own.split_once('/')
        .is_some_and(|(resource, part)| part == what.subresource && (resource == "*" || resource == what.resource))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(rule: &Value, what: &Attributes<'_>) -> bool {
        let rules = Rules::read(&json!([{"verbs": ["none"]}, rule]));
        rules.iter().any(|rule| rule.allows(what))
    }

    fn pods<'a>(verb: &'a str, subresource: &'a str, name: &'a str) -> Attributes<'a> {
        Attributes { verb, resource: "pods", subresource, name, ..Attributes::default() }
    }

    #[test]
    fn a_rule_allows_its_verbs_on_its_resources() {
        let rule = json!({"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods", "pods/log"]});
        assert!(allows(&rule, &pods("get", "", "a")));
        assert!(allows(&rule, &pods("list", "log", "")));
        assert!(!allows(&rule, &pods("get", "exec", "a")));
        assert!(!allows(&rule, &pods("delete", "", "a")));
        assert!(!allows(&rule, &Attributes { group: "apps", ..pods("get", "", "a") }));
        assert!(!allows(&rule, &Attributes { path: Some("/pods"), ..pods("get", "", "") }));
    }

    #[test]
    fn stars_stand_for_anything_in_their_place() {
        let scale = json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*/scale"]});
        assert!(allows(&scale, &pods("patch", "scale", "a")));
        assert!(!allows(&scale, &pods("patch", "", "a")));
        let all = json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]});
        assert!(allows(&all, &pods("x", "y", "z")));
        assert!(!allows(&all, &Attributes { verb: "get", path: Some("/metrics"), ..Attributes::default() }));
    }

    #[test]
    fn names_leave_lists_out() {
        let rule = json!({"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods"], "resourceNames": ["a"]});
        assert!(allows(&rule, &pods("get", "", "a")));
        assert!(!allows(&rule, &pods("get", "", "b")));
        assert!(!allows(&rule, &pods("list", "", "")));
    }

    #[test]
    fn paths_may_end_in_a_star() {
        let rule = json!({"verbs": ["get"], "nonResourceURLs": ["/metrics", "/healthz/*"]});
        let get = |path| Attributes { verb: "get", path: Some(path), ..Attributes::default() };
        assert!(allows(&rule, &get("/metrics")));
        assert!(allows(&rule, &get("/healthz/ping")));
        assert!(!allows(&rule, &get("/healthz")));
        assert!(!allows(&rule, &get("/metrics/slis")));
        assert!(!allows(&rule, &pods("get", "", "a")));
    }

    #[test]
    fn a_wider_rule_covers_a_narrower_one() {
        let covers = |own: Value, other: Value| {
            let (own, other) = (Rules::read(&json!([own])), Rules::read(&json!([other])));
            own.iter().zip(other.iter()).all(|(own, other)| own.covers(&other))
        };
        let all = json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]});
        let named = json!({"verbs": ["get"], "apiGroups": [""], "resources": ["pods"], "resourceNames": ["a"]});
        let free = json!({"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]});
        let part = json!({"verbs": ["get"], "apiGroups": [""], "resources": ["pods/log"]});
        assert!(covers(all.clone(), named.clone()));
        assert!(covers(free.clone(), named.clone()));
        assert!(!covers(named, free.clone()));
        assert!(!covers(free, part.clone()));
        assert!(covers(json!({"verbs": ["get"], "apiGroups": [""], "resources": ["*/log"]}), part));
        assert!(!covers(all, json!({"verbs": ["get"], "nonResourceURLs": ["/x"]})));
    }
}

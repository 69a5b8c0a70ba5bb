use super::*;

#[test]
fn labels_and_subdomains() {
    for good in ["a", "0", "a-b", "a0"] {
        assert!(dns1123_label(good).is_empty(), "{good}");
        assert!(dns1123_subdomain(good).is_empty(), "{good}");
    }
    for bad in ["", "-a", "a-", "A", "a_b", "a b", "ä"] {
        assert_eq!(dns1123_label(bad), [LABEL], "{bad}");
        assert_eq!(dns1123_subdomain(bad), [SUBDOMAIN], "{bad}");
    }
    assert_eq!(dns1123_label("a.b"), ["must not contain dots"]);
    for bad in [".", "a.", ".a", "a..b", "a.-b"] {
        assert_eq!(dns1123_subdomain(bad), [SUBDOMAIN], "{bad}");
    }
    assert_eq!(dns1123_label(&"a".repeat(64)), ["must be no more than 63 characters"]);
    assert!(dns1123_subdomain(&"a".repeat(253)).is_empty());
    assert_eq!(dns1123_subdomain(&"a".repeat(254)), ["must be no more than 253 characters"]);
    assert_eq!(dns1123_subdomain(&"A".repeat(254)).len(), 2);
    assert!(dns1035_label("a0").is_empty());
    assert_eq!(dns1035_label("0a"), [LABEL_1035]);
    assert!(wildcard_subdomain("*.a.b").is_empty());
    for bad in ["*", "*.", "a.b", "*.*.a", "*a.b"] {
        assert_eq!(wildcard_subdomain(bad), [WILDCARD], "{bad}");
    }
    for good in ["_a.b", "a_b", "_a._b"] {
        assert!(dns1123_subdomain_underscore(good).is_empty(), "{good}");
    }
    for bad in ["__a", "a_", "_", "-a"] {
        assert_eq!(dns1123_subdomain_underscore(bad), [SUBDOMAIN_UNDERSCORE], "{bad}");
    }
}

#[test]
fn the_words_are_those_of_upstream() {
    assert_eq!(
        dns1123_subdomain("A"),
        [
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
        ]
    );
    assert_eq!(
        label_value("a b"),
        [
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
        ]
    );
    assert_eq!(
        wildcard_subdomain(""),
        [
            "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', regex used for validation is '\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
        ]
    );
    assert_eq!(
        dns1123_subdomain_underscore(""),
        [
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*')"
        ]
    );
    assert_eq!(
        config_key("a b"),
        [
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
        ]
    );
    assert_eq!(
        percent("1"),
        [
            "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"
        ]
    );
}

#[test]
fn keys_and_values() {
    for good in ["a", "A.b_c-d", "example.com/A", "a/b"] {
        assert!(qualified_name(good).is_empty(), "{good}");
    }
    let name = format!("name part {KEY}");
    assert_eq!(qualified_name(""), ["name part must be non-empty".to_owned(), name.clone()]);
    assert_eq!(qualified_name("/a"), ["prefix part must be non-empty"]);
    assert_eq!(qualified_name("A/a"), [format!("prefix part {SUBDOMAIN}")]);
    assert_eq!(qualified_name("a b"), [name]);
    assert_eq!(qualified_name(&"k".repeat(64)), ["name part must be no more than 63 bytes"]);
    assert_eq!(qualified_name(&format!("{}/a", "k".repeat(254))), ["prefix part must be no more than 253 bytes"]);
    let many = qualified_name("a/b/c");
    assert!(many[0].starts_with("a valid label key must consist of alphanumeric characters"), "{many:?}");
    assert!(
        many[0].ends_with("') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"),
        "{many:?}"
    );
    assert!(label_value("").is_empty());
    assert_eq!(label_value(&"v".repeat(64)), ["must be no more than 63 bytes"]);
    assert_eq!(label_value("-"), [LABEL_VALUE]);
}

#[test]
fn keys_that_become_files() {
    assert!(config_key("a_b.c-D").is_empty());
    assert_eq!(config_key("."), ["must not be '.'"]);
    assert_eq!(config_key(".."), ["must not be '..'"]);
    assert_eq!(config_key("..data"), ["must not start with '..'"]);
    assert_eq!(config_key(""), [CONFIG_KEY]);
    assert_eq!(config_key("../x"), [CONFIG_KEY, "must not start with '..'"]);
}

#[test]
fn segments_ports_and_variables() {
    assert!(path_segment("with:colon").is_empty());
    assert_eq!(path_segment(".."), ["may not be '..'"]);
    assert_eq!(path_segment("a/%"), ["may not contain '/'", "may not contain '%'"]);
    assert!(port_name("http-1").is_empty());
    assert_eq!(port_name("1234"), ["must contain at least one letter (a-z)"]);
    assert_eq!(port_name("a--b"), ["must not contain consecutive hyphens"]);
    assert_eq!(port_name("-a"), ["must not begin or end with a hyphen"]);
    assert_eq!(port_name("way-too-long-a-name"), ["must be no more than 15 characters"]);
    assert_eq!(port_name("").len(), 2);
    assert_eq!(port_number(0), ["must be between 1 and 65535, inclusive"]);
    assert_eq!(id_number(-1), ["must be between 0 and 4294967295, inclusive"]);
    assert!(env_name("1 a").is_empty());
    assert_eq!(env_name("a=b"), [ENV_NAME]);
    assert_eq!(env_name("ä"), [ENV_NAME]);
    assert_eq!(env_name_strict("1a"), [ENV_NAME_STRICT]);
    assert!(c_identifier("_a1").is_empty());
    assert_eq!(c_identifier("1a"), [IDENTIFIER]);
    assert!(percent("100%").is_empty());
    assert_eq!(percent("%"), [PERCENT]);
}

#[test]
fn a_prefix_may_end_with_a_dash() {
    assert!(dns1123_subdomain(&mask_trailing_dash("web-")).is_empty());
    assert!(!dns1123_subdomain(&mask_trailing_dash("-")).is_empty());
    assert!(!dns1123_subdomain(&mask_trailing_dash("Web-")).is_empty());
}

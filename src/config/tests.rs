use std::path::PathBuf;

use serde_json::Value as Json;

use super::*;

/// A folder of its own that goes when the test ends.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("k2d-config-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir_all(path.join("k2d.toml.d")).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn sources(&self) -> Sources {
        Sources { file: Some(self.0.join("k2d.toml")), ..Sources::default() }
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

fn defaults() -> Loaded {
    let dir = Dir::new();
    dir.write("k2d.toml", "");
    dir.sources().load().unwrap()
}

/// The error that a file with this text gives, without the folder.
fn error_of(text: &str) -> String {
    let dir = Dir::new();
    dir.write("k2d.toml", text);
    let error = dir.sources().load().and_then(|loaded| loaded.resolve("host")).unwrap_err();
    error.to_string().replace(&format!("{}/", dir.0.display()), "")
}

#[test]
fn defaults_are_usable() {
    let config = defaults().resolve("Plant-7.example").unwrap();
    assert_eq!(config.node.name, "plant-7.example");
    assert_eq!(config.api.listen, ["[::]:6443".parse().unwrap()]);
    assert_eq!(config.network.gateway(), Ipv4Addr::new(10, 42, 0, 1));
    assert_eq!(config.network.api_service(), Ipv4Addr::new(10, 43, 0, 1));
    assert_eq!(config.engine.socket, EngineSocket::Auto);
    assert_eq!(config.store.history, 524_288);
}

#[test]
fn later_layers_win_and_say_where_they_stand() {
    let dir = Dir::new();
    let main = dir.write("k2d.toml", "instance = \"a\"\n\n[network]\npods = \"10.1.0.0/16\"\ncluster-domain = \"x\"\n");
    let second = dir.write("k2d.toml.d/20.toml", "network.pods = \"10.3.0.0/16\"\n");
    dir.write("k2d.toml.d/10.toml", "# first\nnetwork.pods = \"10.2.0.0/16\"\n");
    dir.write("k2d.toml.d/note.txt", "not toml");
    let mut sources = dir.sources();
    sources.variables = vec![
        ("K2D_API__LISTEN".into(), "[::1]:7000,127.0.0.1:7000".into()),
        ("K2D_API__MAX_CONNECTIONS".into(), "99".into()),
    ];
    let loaded = sources.flag("--engine", "engine.socket", Some("none")).load().unwrap();

    assert_eq!(loaded.origin("instance"), Origin::File(main.clone(), 1));
    assert_eq!(loaded.origin("network.cluster-domain"), Origin::File(main, 5));
    assert_eq!(loaded.origin("network.pods"), Origin::File(second, 1));
    assert_eq!(loaded.origin("network.services"), Origin::Default);
    assert_eq!(loaded.origin("api.max-connections"), Origin::Variable("K2D_API__MAX_CONNECTIONS".into()));
    assert_eq!(loaded.origin("engine.socket"), Origin::Flag("--engine".into()));

    let config = loaded.resolve("host").unwrap();
    assert_eq!(config.network.pods, "10.3.0.0/16".parse().unwrap());
    assert_eq!(config.api.listen, ["[::1]:7000".parse().unwrap(), "127.0.0.1:7000".parse().unwrap()]);
    assert_eq!(config.api.max_connections, 99);
    assert_eq!(config.engine.socket, EngineSocket::None);
}

#[test]
fn report_can_be_read_again() {
    let dir = Dir::new();
    dir.write("k2d.toml", "[api]\nnames = [\"a.example\", \"192.0.2.1\"]\n");
    let first = dir.sources().load().unwrap();
    let report = first.report();
    assert!(report.contains("# default"), "{report}");
    assert!(report.contains("k2d.toml:2"), "{report}");
    dir.write("k2d.toml", &report);
    assert_eq!(dir.sources().load().unwrap().settings, first.settings);
}

#[test]
fn unknown_key_is_refused_with_file_line_and_key() {
    let error = error_of("instance = \"a\"\n\n[api]\nlisten = [\"[::]:1\"]\n# more\nlisen = 3\n");
    assert!(error.starts_with("k2d.toml:6: unknown key `api.lisen`; known here: `listen`"), "{error}");
    let error = error_of("\n[neetwork]\npods = \"10.1.0.0/16\"\n");
    assert!(error.starts_with("k2d.toml:2: unknown key `neetwork`"), "{error}");
}

#[test]
fn wrong_type_is_refused_with_file_line_and_key() {
    let error = error_of("# a\ninstance = 5\n");
    assert_eq!(error, "k2d.toml:2: key `instance`: found signed int `5`, expected a string");
    let error = error_of("[api]\nlisten = [\n  \"[::]:1\",\n  7,\n]\n");
    assert!(error.starts_with("k2d.toml:2: key `api.listen"), "{error}");
    let error = error_of("api = 3\n");
    assert_eq!(error, "k2d.toml:1: key `api`: found signed int `3`, expected a table");
    let error = error_of("[store]\nhistory-bytes = -1\n");
    assert!(error.starts_with("k2d.toml:2: key `store.history-bytes`: "), "{error}");
}

#[test]
fn broken_toml_is_refused_with_its_line() {
    let error = error_of("instance = \"a\"\n[api\n");
    assert!(error.starts_with("k2d.toml:2: "), "{error}");
}

#[test]
fn unusable_values_are_refused_with_file_line_and_key() {
    for (text, words) in [
        ("instance = \"-a\"", "key `instance`"),
        ("instance = \"a-name-of-sixteen\"", "1 to 15"),
        ("data-dir = \"var/lib\"", "key `data-dir`: expected an absolute path"),
        ("api.listen = [\"6443\"]", "key `api.listen`: `6443` is not an address with a port"),
        ("api.listen = []", "names no address"),
        ("api.advertise-address = \"0.0.0.0\"", "cannot reach"),
        ("api.names = [\"no_dns\"]", "key `api.names`"),
        ("api.max-connections = 1", "1 is not within 16 to 65536"),
        ("network.pods = \"10.42.3.0/16\"", "name the network"),
        ("network.pods = \"10.43.1.0/24\"", "overlaps"),
        ("network.services = \"10.0.0.0/8\"", "/12 to /28"),
        ("network.node-ports = \"6000-7000\"", "port 6443 of `api.listen`"),
        ("network.node-ports = \"9-3\"", "is not a range"),
        ("network.upstreams = [\"dns\"]", "key `network.upstreams`"),
        ("foreign.namespace = \"kube-system\"", "has another use"),
        ("log.level = \"loud\"", "key `log.level`"),
        ("images.offline = \"retry\"", "`use-present`"),
        ("engine.socket = \"docker.sock\"", "absolute path"),
    ] {
        let error = error_of(text);
        assert!(error.starts_with("k2d.toml:1: key `") && error.contains(words), "{text}: {error}");
    }
}

#[test]
fn variable_and_flag_are_named_in_errors() {
    let dir = Dir::new();
    dir.write("k2d.toml", "");
    let mut sources = dir.sources();
    sources.variables = vec![("K2D_API__PORT".into(), "1".into())];
    let error = sources.load().unwrap_err().to_string();
    assert!(error.starts_with("variable K2D_API__PORT: unknown key `api.port`"), "{error}");
    let loaded = dir.sources().flag("--listen", "api.listen", Some("here")).load().unwrap();
    let error = loaded.resolve("host").unwrap_err().to_string();
    assert!(error.starts_with("flag --listen: key `api.listen`"), "{error}");
}

#[test]
fn named_file_must_be_there() {
    let dir = Dir::new();
    assert!(matches!(dir.sources().load(), Err(Error::Unreadable { .. })));
}

#[test]
fn host_name_that_is_no_node_name_is_explained() {
    let error = defaults().resolve("my_host").unwrap_err().to_string();
    assert!(error.contains("set `node.name`"), "{error}");
}

/// The shipped file shows every key with its default, commented out, and nothing else.
#[test]
fn shipped_file_documents_every_key_with_its_default() {
    let shipped = include_str!("../../etc/k2d.toml");
    let mut shown = String::new();
    for line in shipped.lines() {
        if let Some(key) = line.strip_prefix('#').filter(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase())) {
            shown.push_str(key);
        } else {
            assert!(line.is_empty() || line.starts_with("# ") || line.starts_with('['), "odd line {line}");
            shown.push_str(line);
        }
        shown.push('\n');
    }
    let dir = Dir::new();
    dir.write("k2d.toml", shipped);
    assert_eq!(dir.sources().load().unwrap().settings, Settings::default(), "the file as shipped sets nothing");
    dir.write("k2d.toml", &shown);
    let loaded = dir.sources().load().unwrap();
    assert_eq!(loaded.settings, Settings::default());
    let Json::Object(settings) = serde_json::to_value(Settings::default()).unwrap() else { panic!("no object") };
    for (name, value) in &settings {
        let keys: Vec<String> = match value {
            Json::Object(table) => table.keys().map(|key| format!("{name}.{key}")).collect(),
            _ => vec![name.clone()],
        };
        for key in keys {
            assert!(matches!(loaded.origin(&key), Origin::File(..)), "{key} is not in etc/k2d.toml");
        }
    }
}

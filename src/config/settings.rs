//! The configuration as it is written: one field for each key, with its default. What a value means
//! and whether it can be used is decided by `resolve`. `etc/k2d.toml` documents the same keys; a
//! test compares the two.

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// All keys. Tables of the file are fields with a type of their own.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// See [`super::Config::instance`]; 1 to 15 characters.
    pub instance: String,
    /// See [`super::Config::data_dir`].
    pub data_dir: String,
    /// See [`super::Config::api_only`].
    pub api_only: bool,
    /// `[api]`
    pub api: ApiSettings,
    /// `[node]`
    pub node: NodeSettings,
    /// `[engine]`
    pub engine: EngineSettings,
    /// `[images]`
    pub images: ImageSettings,
    /// `[network]`
    pub network: NetworkSettings,
    /// `[foreign]`
    pub foreign: ForeignSettings,
    /// `[storage]`
    pub storage: StorageSettings,
    /// `[store]`
    pub store: StoreSettings,
    /// `[log]`
    pub log: LogSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            instance: "k2d".into(),
            data_dir: "/var/lib/k2d".into(),
            api_only: false,
            api: ApiSettings::default(),
            node: NodeSettings::default(),
            engine: EngineSettings::default(),
            images: ImageSettings::default(),
            network: NetworkSettings::default(),
            foreign: ForeignSettings::default(),
            storage: StorageSettings::default(),
            store: StoreSettings::default(),
            log: LogSettings::default(),
        }
    }
}

/// `[api]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ApiSettings {
    /// Addresses with ports.
    #[serde(deserialize_with = "list")]
    pub listen: Vec<String>,
    /// An address; empty means the one of the default route.
    pub advertise_address: String,
    /// Names and addresses.
    #[serde(deserialize_with = "list")]
    pub names: Vec<String>,
    /// Connections.
    pub max_connections: u64,
    /// Bytes.
    pub max_body_bytes: u64,
}

impl Default for ApiSettings {
    fn default() -> Self {
        Self {
            listen: vec!["[::]:6443".into()],
            advertise_address: String::new(),
            names: Vec::new(),
            max_connections: 1024,
            max_body_bytes: 3 << 20,
        }
    }
}

/// `[node]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct NodeSettings {
    /// Empty means the host's name.
    pub name: String,
    /// Pods.
    pub max_pods: u64,
    /// Lines as [`super::Device::parse`] reads them.
    #[serde(deserialize_with = "list")]
    pub devices: Vec<String>,
    /// Processes; 0 is no limit.
    pub pids_limit: u64,
    /// Names of sysctls.
    #[serde(deserialize_with = "list")]
    pub allowed_unsafe_sysctls: Vec<String>,
}

impl Default for NodeSettings {
    fn default() -> Self {
        Self {
            name: String::new(),
            max_pods: 110,
            devices: Vec::new(),
            pids_limit: 0,
            allowed_unsafe_sysctls: Vec::new(),
        }
    }
}

/// `[engine]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct EngineSettings {
    /// `auto`, `none` or the path of a Unix socket.
    pub socket: String,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self { socket: "auto".into() }
    }
}

/// `[images]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ImageSettings {
    /// `fail` or `use-present`.
    pub offline: String,
    /// Seconds.
    pub pull_stall_seconds: u64,
}

impl Default for ImageSettings {
    fn default() -> Self {
        Self { offline: "use-present".into(), pull_stall_seconds: 120 }
    }
}

/// `[network]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct NetworkSettings {
    /// An IPv4 network.
    pub pods: String,
    /// An IPv4 network.
    pub services: String,
    /// First and last port.
    pub node_ports: String,
    /// A domain.
    pub cluster_domain: String,
    /// Addresses, each with a port or without.
    #[serde(deserialize_with = "list")]
    pub upstreams: Vec<String>,
}

impl Default for NetworkSettings {
    fn default() -> Self {
        Self {
            pods: "10.42.0.0/16".into(),
            services: "10.43.0.0/16".into(),
            node_ports: "30000-32767".into(),
            cluster_domain: "cluster.local".into(),
            upstreams: Vec::new(),
        }
    }
}

/// `[foreign]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ForeignSettings {
    /// A namespace.
    pub namespace: String,
}

impl Default for ForeignSettings {
    fn default() -> Self {
        Self { namespace: "docker".into() }
    }
}

/// `[storage]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct StorageSettings {
    /// Name of a StorageClass.
    pub default_class: String,
}

impl Default for StorageSettings {
    fn default() -> Self {
        Self { default_class: "local".into() }
    }
}

/// `[store]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct StoreSettings {
    /// Bytes.
    pub history_bytes: u64,
    /// Seconds.
    pub event_ttl_seconds: u64,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self { history_bytes: 512 << 10, event_ttl_seconds: 3600 }
    }
}

/// `[log]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct LogSettings {
    /// `off`, `error`, `warn`, `info`, `debug` or `trace`.
    pub level: String,
    /// `auto`, `journal` or `text`.
    pub format: String,
    /// `off`, `refused` or `writes`.
    pub audit: String,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { level: "info".into(), format: "auto".into(), audit: "writes".into() }
    }
}

/// A list, or one string with commas, which is how lists are written in variables and flags.
fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct List;

    impl<'de> Visitor<'de> for List {
        type Value = Vec<String>;

        fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            out.write_str("a list of strings")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
            Ok(text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect())
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
            let mut list = Vec::new();
            while let Some(item) = items.next_element()? {
                list.push(item);
            }
            Ok(list)
        }
    }

    deserializer.deserialize_any(List)
}

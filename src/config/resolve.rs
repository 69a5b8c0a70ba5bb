//! From what is written to what is meant: types, ranges and the rules between keys.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ipnet::Ipv4Net;
use tracing::level_filters::LevelFilter;

use super::error::{Error, Origin};
use super::source::{Loaded, Sources};
use super::{
    Api, AuditLog, Config, Engine, EngineSocket, Foreign, Images, Log, LogFormat, Network, Node, Offline, Storage,
    Store,
};

impl Config {
    /// Reads and checks all layers. `host_name` is the Node's name where none is set.
    ///
    /// # Errors
    /// As [`Sources::load`] and [`Loaded::resolve`].
    pub fn load(sources: Sources, host_name: &str) -> Result<Self, Error> {
        sources.load()?.resolve(host_name)
    }
}

impl Loaded {
    /// Checks every value and gives it its type.
    ///
    /// # Errors
    /// The first value that cannot be used, with its place.
    pub fn resolve(&self, host_name: &str) -> Result<Config, Error> {
        let set = &self.settings;
        let config = Config {
            instance: self.check("instance", &set.instance, is_instance, INSTANCE)?,
            data_dir: self.data_dir()?,
            api_only: set.api_only,
            api: self.api()?,
            node: Node {
                name: self.node_name(host_name)?,
                max_pods: self.number("node.max-pods", set.node.max_pods, 1..=10_000)?,
            },
            engine: Engine { socket: self.engine()? },
            images: Images {
                offline: match set.images.offline.as_str() {
                    "fail" => Offline::Fail,
                    "use-present" => Offline::UsePresent,
                    _ => return Err(self.bad("images.offline", "expected `fail` or `use-present`")),
                },
                pull_stall: self.seconds("images.pull-stall-seconds", set.images.pull_stall_seconds, 10..=3600)?,
            },
            network: self.network()?,
            foreign: Foreign { namespace: self.foreign()? },
            storage: Storage {
                default_class: self.check("storage.default-class", &set.storage.default_class, is_domain, DOMAIN)?,
            },
            store: Store {
                history: self.number("store.history-bytes", set.store.history_bytes, (64 << 10)..=(256 << 20))?,
                event_ttl: self.seconds("store.event-ttl-seconds", set.store.event_ttl_seconds, 60..=604_800)?,
            },
            log: self.log()?,
        };
        if let Some(taken) = config.api.listen.iter().find(|at| config.network.node_ports.contains(&at.port())) {
            let key = self.chosen("network.node-ports", "api.listen");
            return Err(self.bad(key, format!("`network.node-ports` holds port {} of `api.listen`", taken.port())));
        }
        Ok(config)
    }

    fn bad(&self, key: &str, message: impl Into<String>) -> Error {
        Error::Value { origin: self.origin(key), key: key.to_owned(), message: message.into() }
    }

    /// Of two keys that do not go together the one that somebody has set.
    fn chosen<'a>(&self, key: &'a str, other: &'a str) -> &'a str {
        if self.origin(key) == Origin::Default { other } else { key }
    }

    fn check(&self, key: &str, text: &str, rule: fn(&str) -> bool, words: &str) -> Result<String, Error> {
        if rule(text) { Ok(text.to_owned()) } else { Err(self.bad(key, format!("`{text}` is not {words}"))) }
    }

    fn number<T: TryFrom<u64>>(&self, key: &str, value: u64, range: RangeInclusive<u64>) -> Result<T, Error> {
        let out_of_range = || self.bad(key, format!("{value} is not within {} to {}", range.start(), range.end()));
        if !range.contains(&value) {
            return Err(out_of_range());
        }
        T::try_from(value).map_err(|_| out_of_range())
    }

    fn seconds(&self, key: &str, value: u64, range: RangeInclusive<u64>) -> Result<Duration, Error> {
        self.number(key, value, range).map(Duration::from_secs)
    }

    fn parse<T: FromStr>(&self, key: &str, text: &str, words: &str) -> Result<T, Error> {
        text.parse().map_err(|_| self.bad(key, format!("`{text}` is not {words}")))
    }

    fn data_dir(&self) -> Result<PathBuf, Error> {
        let path = PathBuf::from(&self.settings.data_dir);
        if path.is_absolute() && path.parent().is_some() {
            Ok(path)
        } else {
            Err(self.bad("data-dir", "expected an absolute path other than `/`"))
        }
    }

    fn api(&self) -> Result<Api, Error> {
        let set = &self.settings.api;
        let mut listen: Vec<SocketAddr> = Vec::new();
        for text in &set.listen {
            let address =
                self.parse("api.listen", text, "an address with a port, such as `[::]:6443` or `192.0.2.7:6443`")?;
            listen.push(address);
        }
        if listen.is_empty() {
            return Err(self.bad("api.listen", "names no address"));
        }
        let advertise_address: Option<IpAddr> = match set.advertise_address.as_str() {
            "" => None,
            text => Some(self.parse("api.advertise-address", text, "an address")?),
        };
        if advertise_address.is_some_and(|address| address.is_unspecified() || address.is_loopback()) {
            return Err(self.bad("api.advertise-address", "other machines cannot reach that address"));
        }
        for name in &set.names {
            if name.parse::<IpAddr>().is_err() && !is_domain(name) {
                return Err(self.bad("api.names", format!("`{name}` is neither an address nor {DOMAIN}")));
            }
        }
        Ok(Api {
            listen,
            advertise_address,
            names: set.names.clone(),
            max_connections: self.number("api.max-connections", set.max_connections, 16..=65_536)?,
            max_body: self.number("api.max-body-bytes", set.max_body_bytes, (64 << 10)..=(64 << 20))?,
        })
    }

    fn node_name(&self, host_name: &str) -> Result<String, Error> {
        match self.settings.node.name.as_str() {
            "" => {
                let name = host_name.to_lowercase();
                let words = "a name for a Node; set `node.name` to a DNS name in lower case";
                if is_domain(&name) {
                    Ok(name)
                } else {
                    Err(self.bad("node.name", format!("the host's name `{host_name}` is not {words}")))
                }
            }
            name => self.check("node.name", name, is_domain, DOMAIN),
        }
    }

    fn engine(&self) -> Result<EngineSocket, Error> {
        match self.settings.engine.socket.as_str() {
            "auto" => Ok(EngineSocket::Auto),
            "none" => Ok(EngineSocket::None),
            text => {
                let path = PathBuf::from(text.strip_prefix("unix://").unwrap_or(text));
                if path.is_absolute() {
                    Ok(EngineSocket::Path(path))
                } else {
                    Err(self.bad("engine.socket", "expected `auto`, `none` or the absolute path of a socket"))
                }
            }
        }
    }

    fn network(&self) -> Result<Network, Error> {
        let set = &self.settings.network;
        let pods = self.net("network.pods", &set.pods, 8)?;
        let services = self.net("network.services", &set.services, 12)?;
        if pods.contains(&services) || services.contains(&pods) {
            let key = self.chosen("network.services", "network.pods");
            return Err(self.bad(key, format!("the pods' network {pods} overlaps the services' network {services}")));
        }
        let mut upstreams = Vec::new();
        for text in &set.upstreams {
            let address = match text.parse::<IpAddr>() {
                Ok(address) => SocketAddr::new(address, 53),
                Err(_) => self.parse("network.upstreams", text, "an address, with a port or without")?,
            };
            upstreams.push(address);
        }
        Ok(Network {
            pods,
            services,
            node_ports: self.ports(&set.node_ports)?,
            cluster_domain: self.check("network.cluster-domain", &set.cluster_domain, is_domain, DOMAIN)?,
            upstreams,
        })
    }

    fn net(&self, key: &str, text: &str, widest: u8) -> Result<Ipv4Net, Error> {
        let net: Ipv4Net = self.parse(key, text, "an IPv4 network such as `10.42.0.0/16`")?;
        if !(widest..=28).contains(&net.prefix_len()) {
            return Err(self.bad(key, format!("the prefix is not within /{widest} to /28")));
        }
        if net.trunc() != net {
            return Err(self.bad(key, format!("{net} is an address in the network {}; name the network", net.trunc())));
        }
        let address: Ipv4Addr = net.network();
        if address.is_loopback() || address.is_multicast() || address.is_unspecified() {
            return Err(self.bad(key, format!("{net} cannot be routed")));
        }
        Ok(net)
    }

    fn ports(&self, text: &str) -> Result<RangeInclusive<u16>, Error> {
        let key = "network.node-ports";
        let wrong = || self.bad(key, format!("`{text}` is not a range of ports such as `30000-32767`"));
        let (first, last) = text.split_once('-').ok_or_else(wrong)?;
        let first: u16 = first.trim().parse().map_err(|_| wrong())?;
        let last: u16 = last.trim().parse().map_err(|_| wrong())?;
        if first == 0 || first > last { Err(wrong()) } else { Ok(first..=last) }
    }

    fn foreign(&self) -> Result<String, Error> {
        let key = "foreign.namespace";
        let name = self.check(key, &self.settings.foreign.namespace, is_label, LABEL)?;
        if name == "default" || name.starts_with("kube-") {
            return Err(self.bad(key, format!("`{name}` has another use")));
        }
        Ok(name)
    }

    fn log(&self) -> Result<Log, Error> {
        let set = &self.settings.log;
        let level = match set.level.as_str() {
            "off" => LevelFilter::OFF,
            "error" => LevelFilter::ERROR,
            "warn" => LevelFilter::WARN,
            "info" => LevelFilter::INFO,
            "debug" => LevelFilter::DEBUG,
            "trace" => LevelFilter::TRACE,
            _ => return Err(self.bad("log.level", "expected `off`, `error`, `warn`, `info`, `debug` or `trace`")),
        };
        let format = match set.format.as_str() {
            "auto" => LogFormat::Auto,
            "journal" => LogFormat::Journal,
            "text" => LogFormat::Text,
            _ => return Err(self.bad("log.format", "expected `auto`, `journal` or `text`")),
        };
        let audit = match set.audit.as_str() {
            "off" => AuditLog::Off,
            "refused" => AuditLog::Refused,
            "writes" => AuditLog::Writes,
            _ => return Err(self.bad("log.audit", "expected `writes`, `refused` or `off`")),
        };
        Ok(Log { level, format, audit })
    }
}

const INSTANCE: &str = "1 to 15 lower-case letters, digits and `-`, with a letter first and no `-` last";
const LABEL: &str = "1 to 63 lower-case letters, digits and inner `-`";
const DOMAIN: &str = "a DNS name in lower case";

/// Also the name of a network interface, hence 15 characters.
fn is_instance(text: &str) -> bool {
    text.len() <= 15 && is_label(text) && text.starts_with(|first: char| first.is_ascii_lowercase())
}

fn is_label(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=63).contains(&text.len())
        && text.bytes().all(|byte| fits(byte) || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn is_domain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_label)
}

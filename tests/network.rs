//! The packet rules and the name server in real network namespaces, with real connections. They
//! need root, nft, ip, iptables, conntrack and dig.

#[path = "network/dns.rs"]
mod dns;
#[path = "network/ns.rs"]
mod ns;
#[path = "network/rules.rs"]
mod rules;

//! Addresses, the nftables table and DNS, from plain models of services and pods. It does not know
//! the store, the engine or how a Service is written.
//!
//! ```text
//! model       what the controllers hand over: services, their endpoints, pods
//! addresses   cluster IPs, pod addresses and node ports: which is free
//! rules       a snapshot as the text of one nftables transaction (pure)
//! apply       the kernel's side: nft, Docker's firewall, conntrack
//! dns         the name server of the pod network
//! ```

pub mod addresses;
pub mod apply;
pub mod dns;
pub mod model;
pub mod rules;

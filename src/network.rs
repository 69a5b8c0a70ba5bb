//! Addresses, the nftables table and DNS, from plain models of services and pods. It does not know
//! the store, the engine or how a Service is written.

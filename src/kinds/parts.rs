//! What several kinds share, written once and mounted by path: the pod template and everything in
//! it, selectors, addresses, resources, volumes, the columns of tables.
//!
//! Each part checks or fills the value that it is given and tells its mistakes below the path that
//! it is given; it does not know which kind it is part of.

pub mod affinity;
pub mod amount;
pub mod conditions;
pub mod container;
pub mod demand;
pub mod env;
pub mod intstr;
pub mod ip;
pub mod mounts;
pub mod pod;
pub mod pod_defaults;
pub mod probe;
pub mod resources;
pub mod security;
pub mod selector;
pub mod show;
pub mod table;
pub mod template;
pub mod volume;
pub mod warnings;

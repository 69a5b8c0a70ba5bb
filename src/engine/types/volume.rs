//! Engine volumes.

use std::collections::BTreeMap;

/// A volume to make.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VolumeSpec {
    /// Name, unique.
    pub name: String,
    /// Driver; empty is `local`.
    pub driver: String,
    /// Options of the driver, such as `type`, `o` and `device` of `local`.
    pub options: BTreeMap<String, String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// A volume of the engine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VolumeDetail {
    /// Name.
    pub name: String,
    /// Driver.
    pub driver: String,
    /// Where it is on the host, empty if nowhere.
    pub mountpoint: String,
    /// Options of the driver.
    pub options: BTreeMap<String, String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// When it was made.
    pub created: Option<jiff::Timestamp>,
}

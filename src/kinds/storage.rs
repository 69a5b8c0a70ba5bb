//! The group `storage.k8s.io`, `v1`.

pub mod attributes_class;
pub mod capacity;
pub mod csi_driver;
pub mod csi_node;
pub mod storage_class;
pub mod volume_attachment;

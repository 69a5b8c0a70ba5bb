//! The container engine: the only module that names bollard. Differences between Docker and Podman,
//! and between their versions, end here. It does not know a Kubernetes type.

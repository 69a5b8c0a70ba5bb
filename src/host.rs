//! The machine below: systemd, journald, certificates, facts about processor and memory. It does not
//! know Kubernetes or the engine.

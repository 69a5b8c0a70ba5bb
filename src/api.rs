//! The Kubernetes API over HTTP: connections, who asks, what for, and in which form the answer goes
//! out. It decides nothing about objects (the registry does) and does not know the engine.

//! The engine's JSON, read leniently.

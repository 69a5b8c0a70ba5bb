//! The configuration: files, environment and flags, parsed and then resolved. It starts nothing.

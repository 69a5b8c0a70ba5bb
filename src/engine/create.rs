//! From a specification to the engine's words.

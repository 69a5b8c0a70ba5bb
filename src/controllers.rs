//! Controllers: each brings what is nearer to what is asked for, one key at a time, from the state
//! alone (level-triggered). They write through the registry and never call an HTTP handler.

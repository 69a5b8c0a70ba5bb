//! Objects on disk as JSON bytes, one revision for everything, and a history to watch. It does not
//! know kinds or rules: a key and bytes are all it sees.

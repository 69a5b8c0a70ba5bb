//! The command line: one verb a file. It parses arguments, asks the application or the files, and
//! prints; it holds no logic of the cluster.

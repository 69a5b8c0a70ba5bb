//! The program `k2d`.
fn main() {}

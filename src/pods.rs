//! The part of a node: makes the engine run what pods ask for, and tells what the engine runs as pod
//! status. Translation both ways is pure; it does not know HTTP.

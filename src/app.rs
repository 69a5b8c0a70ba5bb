//! The wiring: the only place that knows all parts. It builds them from the configuration, starts
//! them in order and stops them in reverse.

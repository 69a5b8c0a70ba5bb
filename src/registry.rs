//! The generic registry: reads, writes and watches objects of every kind by the same rules, with the
//! particulars of a kind from its strategy. It does not know HTTP and nothing of who asks but a name.

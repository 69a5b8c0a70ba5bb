//! The kinds of the `batch` group.

pub mod cron;
pub mod cron_job;
pub mod job;

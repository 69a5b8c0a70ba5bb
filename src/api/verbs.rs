//! What each verb does, one group of verbs a file. Everything here has passed authentication and
//! authorisation.

pub mod delete;
pub mod patch;
pub mod pod;
pub mod read;
pub mod review;
pub mod scale;
pub mod token;
pub mod write;

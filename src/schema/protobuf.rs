//! stub (not committed)
use serde_json::Value; use crate::schema::decode::body::Expected; use crate::schema::status::Status;
/// x
pub fn encode(_v:&Value)->Result<Vec<u8>,String>{Err("".into())}
/// x
pub fn object(_b:&[u8], _e:&Expected<'_>)->Result<Value,Status>{Err(Status::bad_request("x"))}
/// x
pub fn watch_frame(_k:&str,_v:&Value,_o:&mut Vec<u8>){}

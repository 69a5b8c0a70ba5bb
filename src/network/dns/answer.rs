//! From the bytes of a query to what is to be done about it. Pure.

use std::net::IpAddr;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, NS, PTR, SOA, SRV, TXT};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use super::zone::{Found, Records, Zone};

/// How long an answer may be kept, in seconds; also of negative ones.
const TTL: u32 = 5;

/// What a message holds without EDNS (RFC 1035 section 2.3.4).
const PLAIN_LIMIT: u16 = 512;

/// What a datagram may hold at the most: what passes any link unbroken.
const DATAGRAM_LIMIT: u16 = 1232;

/// Aliases of aliases are followed so far.
const MOST_ALIASES: usize = 8;

/// What to do about a query.
#[derive(Debug)]
pub(super) enum Step {
    /// Send this.
    Reply(Vec<u8>),
    /// Ask the host's resolvers, as it stands.
    Forward,
    /// Ask the host's resolvers for the end of a chain of aliases.
    Chase(Box<Chase>),
    /// Not a query: no answer, so that two servers never talk to each other.
    Ignore,
}

/// An answer that lacks the records of a name elsewhere.
#[derive(Debug)]
pub(super) struct Chase {
    reply: Reply,
    target: Name,
    kind: RecordType,
}

/// An answer in the making.
#[derive(Debug)]
struct Reply {
    message: Message,
    limit: u16,
}

/// Decides about the bytes of a query that came by datagram or by stream.
pub(super) fn decide(query: &[u8], zone: &Zone, datagram: bool) -> Step {
    let query = match Message::from_vec(query) {
        Ok(query) if query.metadata.message_type == MessageType::Query => query,
        Ok(_) => return Step::Ignore,
        Err(_) => return malformed(query),
    };
    let mut reply = Reply::to(&query, datagram);
    if query.edns.as_ref().is_some_and(|edns| edns.version() > 0) {
        return reply.refuse(ResponseCode::BADVERS);
    }
    if query.metadata.op_code != OpCode::Query {
        return reply.refuse(ResponseCode::NotImp);
    }
    let [question] = query.queries.as_slice() else { return reply.refuse(ResponseCode::FormErr) };
    if question.query_class() != DNSClass::IN {
        return reply.refuse(ResponseCode::Refused);
    }
    match reply.answer(zone, question, query.metadata.id) {
        Next::Done => Step::Reply(reply.encode()),
        Next::Outside => Step::Forward,
        Next::Elsewhere(target) => Step::Chase(Box::new(Chase { reply, target, kind: question.query_type() })),
    }
}

/// The answer when the host's resolvers could not be asked.
pub(super) fn failure(query: &[u8], datagram: bool) -> Vec<u8> {
    match Message::from_vec(query) {
        Ok(query) => {
            let mut reply = Reply::to(&query, datagram);
            reply.message.metadata.response_code = ResponseCode::ServFail;
            reply.encode()
        }
        Err(_) => Vec::new(),
    }
}

/// How many bytes an answer by datagram to this query may have.
pub(super) fn datagram_limit(query: &[u8]) -> usize {
    Message::from_vec(query).map_or(PLAIN_LIMIT, |query| query.max_payload()).max(PLAIN_LIMIT).into()
}

impl Chase {
    /// The query for the records that are lacking.
    pub fn query(&self) -> Vec<u8> {
        let mut message = Message::new(0, MessageType::Query, OpCode::Query);
        message.metadata.recursion_desired = true;
        message.add_query(Query::query(self.target.clone(), self.kind));
        message.to_vec().unwrap_or_default()
    }

    /// The whole answer, with what the host's resolvers said.
    pub fn finish(mut self, answer: Option<&[u8]>) -> Vec<u8> {
        let message = &mut self.reply.message;
        match answer.map(Message::from_vec) {
            Some(Ok(answer)) => {
                message.metadata.response_code = answer.metadata.response_code;
                message.answers.extend(answer.answers);
                message.authorities = answer.authorities;
            }
            _ => message.metadata.response_code = ResponseCode::ServFail,
        }
        self.reply.encode()
    }
}

enum Next {
    Done,
    Outside,
    Elsewhere(Name),
}

impl Reply {
    fn to(query: &Message, datagram: bool) -> Self {
        let mut message = Message::new(query.metadata.id, MessageType::Response, query.metadata.op_code);
        message.metadata.recursion_desired = query.metadata.recursion_desired;
        message.metadata.recursion_available = true;
        message.queries = query.queries.clone();
        if query.edns.is_some() {
            let mut edns = Edns::new();
            edns.set_max_payload(DATAGRAM_LIMIT);
            message.edns = Some(edns);
        }
        let limit = match (datagram, &query.edns) {
            (false, _) => u16::MAX,
            (true, Some(edns)) => edns.max_payload().clamp(PLAIN_LIMIT, DATAGRAM_LIMIT),
            (true, None) => PLAIN_LIMIT,
        };
        Reply { message, limit }
    }

    fn refuse(mut self, code: ResponseCode) -> Step {
        self.message.metadata.response_code = code;
        Step::Reply(self.encode())
    }

    /// Adds the records of a name and of what it is an alias for.
    fn answer(&mut self, zone: &Zone, question: &Query, id: u16) -> Next {
        let kind = question.query_type();
        let mut owner = question.name().clone();
        for _ in 0..MOST_ALIASES {
            match zone.find(&text(&owner), kind == RecordType::SRV) {
                Found::Outside if self.message.answers.is_empty() => return Next::Outside,
                Found::Outside => return Next::Elsewhere(owner),
                Found::Missing => {
                    self.message.metadata.response_code = ResponseCode::NXDomain;
                    return self.close(zone);
                }
                Found::Here(records) => {
                    self.add(zone, &owner, kind, records, id);
                    return self.close(zone);
                }
                Found::Alias(target) => {
                    let Some(target) = name(&target) else { break };
                    self.push(&owner, RData::CNAME(CNAME(target.clone())));
                    if kind == RecordType::CNAME {
                        return self.close(zone);
                    }
                    owner = target;
                }
            }
        }
        self.message.metadata.response_code = ResponseCode::ServFail;
        Next::Done
    }

    fn add(&mut self, zone: &Zone, owner: &Name, kind: RecordType, records: Records, id: u16) {
        match kind {
            RecordType::A | RecordType::AAAA | RecordType::ANY => {
                let mut data: Vec<RData> = records.addresses.into_iter().map(address).collect();
                data.retain(|data| kind == RecordType::ANY || data.record_type() == kind);
                // Clients take the first: each query begins at another place.
                let start = usize::from(id).checked_rem(data.len()).unwrap_or(0);
                data.rotate_left(start);
                data.into_iter().for_each(|data| self.push(owner, data));
            }
            RecordType::SRV => {
                let weight = 100u16.checked_div(records.services.len().try_into().unwrap_or(100)).unwrap_or(0).max(1);
                for service in records.services {
                    let Some(target) = name(&service.target) else { continue };
                    self.push(owner, RData::SRV(SRV::new(0, weight, service.port, target.clone())));
                    for data in service.addresses.into_iter().map(address) {
                        let record = Record::from_rdata(target.clone(), TTL, data);
                        if !self.message.additionals.contains(&record) {
                            self.message.additionals.push(record);
                        }
                    }
                }
            }
            RecordType::PTR => {
                let names = records.pointers.iter().filter_map(|pointer| name(pointer));
                names.for_each(|target| self.push(owner, RData::PTR(PTR(target))));
            }
            RecordType::TXT => {
                records.text.into_iter().for_each(|text| self.push(owner, RData::TXT(TXT::new(vec![text.to_owned()]))));
            }
            RecordType::SOA if records.apex => {
                if let Some(soa) = authority(zone) {
                    self.push(owner, soa);
                }
            }
            RecordType::NS if records.apex => {
                if let Some(server) = name(&zone.server_name()) {
                    self.push(owner, RData::NS(NS(server)));
                }
            }
            _ => {}
        }
    }

    /// An answer of our own: with the authority when there is nothing to tell (RFC 2308).
    fn close(&mut self, zone: &Zone) -> Next {
        self.message.metadata.authoritative = true;
        let bare = self.message.answers.iter().all(|record| record.record_type() == RecordType::CNAME);
        if let (true, Some(domain), Some(soa)) = (bare, name(zone.domain()), authority(zone)) {
            self.message.authorities.push(Record::from_rdata(domain, TTL, soa));
        }
        Next::Done
    }

    fn push(&mut self, owner: &Name, data: RData) {
        self.message.answers.push(Record::from_rdata(owner.clone(), TTL, data));
    }

    /// The bytes; with the mark of truncation alone when they are too many for a datagram.
    fn encode(mut self) -> Vec<u8> {
        let fits = |bytes: &Vec<u8>| bytes.len() <= usize::from(self.limit);
        if let Some(bytes) = self.message.to_vec().ok().filter(fits) {
            return bytes;
        }
        // The additional records are the first to go, without a mark (RFC 2181 section 9).
        self.message.additionals.clear();
        if let Some(bytes) = self.message.to_vec().ok().filter(fits) {
            return bytes;
        }
        self.message.metadata.truncation = true;
        self.message.answers.clear();
        self.message.authorities.clear();
        self.message.to_vec().unwrap_or_default()
    }
}

/// The answer to bytes that are no message: the number and the complaint, where there is a number.
fn malformed(query: &[u8]) -> Step {
    match query {
        [high, low, flags, _, _, _, _, _, _, _, _, _, ..] if flags & 0x80 == 0 => {
            let id = u16::from_be_bytes([*high, *low]);
            let message = Message::error_msg(id, OpCode::Query, ResponseCode::FormErr);
            message.to_vec().map_or(Step::Ignore, Step::Reply)
        }
        _ => Step::Ignore,
    }
}

fn authority(zone: &Zone) -> Option<RData> {
    let contact = name(&format!("hostmaster.{}", zone.domain()))?;
    let server = name(&zone.server_name())?;
    Some(RData::SOA(SOA::new(server, contact, zone.serial(), 7200, 1800, 86_400, TTL)))
}

fn address(address: IpAddr) -> RData {
    match address {
        IpAddr::V4(v4) => RData::A(A(v4)),
        IpAddr::V6(v6) => RData::AAAA(AAAA(v6)),
    }
}

fn name(text: &str) -> Option<Name> {
    let mut name = Name::from_ascii(text).ok()?;
    name.set_fqdn(true);
    Some(name)
}

/// A name in lower case with dots between its labels. A byte that is in no name of ours, a dot
/// within a label above all, becomes one that is not either.
fn text(name: &Name) -> String {
    let mut text = String::with_capacity(name.len());
    for label in name.iter() {
        if !text.is_empty() {
            text.push('.');
        }
        text.extend(label.iter().map(|byte| match byte {
            b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => char::from(byte.to_ascii_lowercase()),
            _ => '?',
        }));
    }
    text
}

#[cfg(test)]
mod tests;

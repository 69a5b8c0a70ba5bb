use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use super::{Step, decide, failure};
use crate::network::addresses::Network;
use crate::network::dns::zone::tests::zone;
use crate::network::dns::zone::{Zone, ZoneSettings};
use crate::network::model::{Endpoint, EndpointGroup, ServiceModel, Snapshot};

fn query(name: &str, kind: RecordType) -> Message {
    let mut message = Message::new(0x1234, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    message
}

fn decided(message: &Message) -> Message {
    match decide(&message.to_vec().unwrap(), &zone(), true) {
        Step::Reply(bytes) => Message::from_vec(&bytes).unwrap(),
        other => panic!("no reply but {other:?}"),
    }
}

fn answer(name: &str, kind: RecordType) -> Message {
    decided(&query(name, kind))
}

/// `TYPE data` of each record.
fn lines(records: &[Record]) -> Vec<String> {
    records.iter().map(|record| format!("{} {}", record.record_type(), record.data)).collect()
}

#[test]
fn an_answer_is_complete() {
    let reply = answer("Mqtt.Plant.svc.cluster.local.", RecordType::A);
    let flags = reply.metadata;
    assert_eq!(
        (flags.id, flags.message_type, flags.response_code),
        (0x1234, MessageType::Response, ResponseCode::NoError)
    );
    assert!(flags.authoritative && flags.recursion_desired && flags.recursion_available && !flags.truncation);
    // The name as it was asked for.
    assert_eq!(reply.queries[0].name().to_string(), "Mqtt.Plant.svc.cluster.local.");
    assert_eq!(reply.answers[0].name.to_string(), "Mqtt.Plant.svc.cluster.local.");
    assert_eq!((lines(&reply.answers), reply.answers[0].ttl), (vec!["A 10.43.0.9".to_owned()], 5));
    assert_eq!(reply.edns, None);
}

#[test]
fn no_such_name_and_no_such_record_are_told_apart() {
    let soa = "SOA ns.dns.cluster.local. hostmaster.cluster.local. 7 7200 1800 86400 5";
    for (name, kind, code) in [
        ("none.plant.svc.cluster.local.", RecordType::A, ResponseCode::NXDomain),
        ("none.plant.svc.cluster.local.", RecordType::AAAA, ResponseCode::NXDomain),
        ("empty.plant.svc.cluster.local.", RecordType::A, ResponseCode::NoError),
        ("10-42-1-6.db.plant.svc.cluster.local.", RecordType::AAAA, ResponseCode::NoError),
        ("mqtt.plant.svc.cluster.local.", RecordType::MX, ResponseCode::NoError),
        ("plant.svc.cluster.local.", RecordType::A, ResponseCode::NoError),
        ("9.9.42.10.in-addr.arpa.", RecordType::PTR, ResponseCode::NXDomain),
    ] {
        let reply = answer(name, kind);
        assert_eq!((reply.metadata.response_code, reply.answers.len()), (code, 0), "{name} {kind}");
        assert_eq!(lines(&reply.authorities), [soa], "{name} {kind}");
        assert_eq!(reply.authorities[0].name.to_string(), "cluster.local.");
    }
}

#[test]
fn every_kind_of_record_is_answered() {
    for (name, kind, expected) in [
        ("mqtt.plant.svc.cluster.local.", RecordType::AAAA, "AAAA fd00:43::9"),
        ("mqtt.plant.svc.cluster.local.", RecordType::SRV, "SRV 0 100 80 mqtt.plant.svc.cluster.local."),
        ("9.0.43.10.in-addr.arpa.", RecordType::PTR, "PTR mqtt.plant.svc.cluster.local."),
        ("dns-version.cluster.local.", RecordType::TXT, "TXT 1.1.0"),
        ("cluster.local.", RecordType::NS, "NS ns.dns.cluster.local."),
        ("cluster.local.", RecordType::SOA, "SOA ns.dns.cluster.local. hostmaster.cluster.local. 7 7200 1800 86400 5"),
        ("plc.plant.svc.cluster.local.", RecordType::CNAME, "CNAME plc.example."),
    ] {
        assert_eq!(lines(&answer(name, kind).answers), [expected], "{name} {kind}");
    }
    let located = answer("_main._tcp.db.plant.svc.cluster.local.", RecordType::SRV);
    assert_eq!(located.answers.len(), 3);
    assert_eq!(lines(&located.answers)[1], "SRV 0 33 5432 10-42-1-6.db.plant.svc.cluster.local.");
    assert_eq!(lines(&located.additionals), ["A 10.42.1.5", "A 10.42.1.6", "AAAA fd00::6"]);
    assert_eq!(located.additionals[0].name.to_string(), "db-0.db.plant.svc.cluster.local.");
}

#[test]
fn clients_are_spread_over_endpoints() {
    let mut message = query("db.plant.svc.cluster.local.", RecordType::A);
    let first = |message: &Message| lines(&decided(message).answers)[0].clone();
    let even = first(&message);
    message.metadata.id += 1;
    assert_ne!(first(&message), even);
}

#[test]
fn aliases_are_followed_within_the_zone_and_beyond() {
    let inside = answer("alias.plant.svc.cluster.local.", RecordType::A);
    assert_eq!(lines(&inside.answers), ["CNAME mqtt.plant.svc.cluster.local.", "A 10.43.0.9"]);
    assert_eq!(answer("loop.plant.svc.cluster.local.", RecordType::A).metadata.response_code, ResponseCode::ServFail);
    let outside = |answer: Option<&Message>| {
        let bytes = query("plc.plant.svc.cluster.local.", RecordType::A).to_vec().unwrap();
        let Step::Chase(chase) = decide(&bytes, &zone(), true) else { panic!("not chased") };
        let asked = Message::from_vec(&chase.query()).unwrap();
        assert_eq!(asked.queries, [Query::query(Name::from_ascii("plc.example.").unwrap(), RecordType::A)]);
        assert!(asked.metadata.recursion_desired);
        Message::from_vec(&chase.finish(answer.map(|answer| answer.to_vec().unwrap()).as_deref())).unwrap()
    };
    let mut upstream = Message::new(9, MessageType::Response, OpCode::Query);
    upstream.add_answer(Record::from_rdata(
        Name::from_ascii("plc.example.").unwrap(),
        60,
        RData::A(A::new(203, 0, 113, 5)),
    ));
    let reply = outside(Some(&upstream));
    assert_eq!((reply.metadata.id, reply.metadata.response_code), (0x1234, ResponseCode::NoError));
    assert_eq!(lines(&reply.answers), ["CNAME plc.example.", "A 203.0.113.5"]);
    let missing = Message::error_msg(9, OpCode::Query, ResponseCode::NXDomain);
    assert_eq!(outside(Some(&missing)).metadata.response_code, ResponseCode::NXDomain);
    assert_eq!(outside(None).metadata.response_code, ResponseCode::ServFail);
}

#[test]
fn names_elsewhere_are_passed_on() {
    for name in ["example.com.", "local.", ".", "8.8.8.8.in-addr.arpa."] {
        let bytes = query(name, RecordType::A).to_vec().unwrap();
        assert!(matches!(decide(&bytes, &zone(), true), Step::Forward), "{name}");
    }
    // A dot within a label makes no other name of it.
    let mut odd = query(".", RecordType::A);
    let labels: [&[u8]; 4] = [b"mqtt.plant", b"svc", b"cluster", b"local"];
    odd.queries = vec![Query::query(Name::from_labels(labels).unwrap(), RecordType::A)];
    assert_eq!(decided(&odd).metadata.response_code, ResponseCode::NXDomain);
}

#[test]
fn what_is_not_understood_is_refused() {
    let code = |change: &dyn Fn(&mut Message)| {
        let mut message = query("mqtt.plant.svc.cluster.local.", RecordType::A);
        change(&mut message);
        decided(&message).metadata.response_code
    };
    assert_eq!(code(&|m| m.metadata.op_code = OpCode::Notify), ResponseCode::NotImp);
    assert_eq!(code(&|m| m.queries.clear()), ResponseCode::FormErr);
    assert_eq!(code(&|m| m.queries.push(m.queries[0].clone())), ResponseCode::FormErr);
    assert_eq!(code(&|m| _ = m.queries[0].set_query_class(DNSClass::CH)), ResponseCode::Refused);
    let newer = |message: &mut Message| {
        let mut edns = Edns::new();
        edns.set_version(1);
        message.edns = Some(edns);
    };
    // BADVERS and BADSIG are one number.
    assert_eq!(u16::from(code(&newer)), 16);
    let mut reply = query("a.", RecordType::A);
    reply.metadata.message_type = MessageType::Response;
    assert!(matches!(decide(&reply.to_vec().unwrap(), &zone(), true), Step::Ignore));
    let failed = Message::from_vec(&failure(&query("a.", RecordType::A).to_vec().unwrap(), true)).unwrap();
    assert_eq!((failed.metadata.id, failed.metadata.response_code), (0x1234, ResponseCode::ServFail));
}

/// A zone with a headless service of so many endpoints.
fn wide(endpoints: u8) -> Zone {
    let endpoints = (0..endpoints).map(|n| Endpoint::ready([10, 42, 1, n].into())).collect();
    let service = ServiceModel {
        namespace: "plant".to_owned(),
        name: "wide".to_owned(),
        headless: true,
        endpoints: vec![EndpointGroup { ports: vec![], endpoints }],
        ..ServiceModel::default()
    };
    let networks: Vec<Network> = vec![];
    let settings = ZoneSettings { domain: "cluster.local".to_owned(), networks, server: [10, 42, 0, 1].into() };
    Zone::new(settings, &Snapshot { services: vec![service], pods: vec![] }, 1)
}

#[test]
fn an_answer_fits_or_says_that_it_does_not() {
    let reply = |zone: &Zone, payload: Option<u16>, datagram: bool| {
        let mut message = query("wide.plant.svc.cluster.local.", RecordType::A);
        message.edns = payload.map(|payload| {
            let mut edns = Edns::new();
            edns.set_max_payload(payload);
            edns
        });
        let Step::Reply(bytes) = decide(&message.to_vec().unwrap(), zone, datagram) else { panic!("no reply") };
        let reply = Message::from_vec(&bytes).unwrap();
        assert_eq!(reply.edns.is_some(), payload.is_some());
        (bytes.len(), reply.metadata.truncation, reply.answers.len())
    };
    let (length, cut, answers) = reply(&wide(28), None, true);
    assert!(length <= 512 && !cut && answers == 28, "{length} {cut} {answers}");
    let (length, cut, answers) = reply(&wide(60), None, true);
    assert!(length <= 512 && cut && answers == 0, "{length} {cut} {answers}");
    let (length, cut, answers) = reply(&wide(60), Some(4096), true);
    assert!(length <= 1232 && !cut && answers == 60, "{length} {cut} {answers}");
    assert!(reply(&wide(200), Some(4096), true).1);
    assert_eq!(reply(&wide(200), None, false).2, 200);
}

#[test]
fn no_bytes_bring_it_down() {
    let zone = zone();
    let mut edns = Edns::new();
    edns.set_max_payload(4096);
    let mut good = query("_main._tcp.db.plant.svc.cluster.local.", RecordType::SRV);
    good.edns = Some(edns);
    let good = good.to_vec().unwrap();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for round in 0..20_000 {
        let mut bytes = good.clone();
        if round % 2 == 0 {
            // A few bytes of a good query changed, and perhaps its end cut off.
            for _ in 0..=next() % 4 {
                let at = next() as usize % bytes.len();
                bytes[at] = next() as u8;
            }
            bytes.truncate(bytes.len() - (next() as usize % 3) * (next() as usize % 10));
        } else {
            bytes = (0..next() % 64).map(|_| next() as u8).collect();
        }
        if let Step::Reply(reply) = decide(&bytes, &zone, round % 3 == 0) {
            assert_eq!(reply[..2], bytes[..2], "the number of {bytes:?}");
            assert_eq!(reply[2] & 0x80, 0x80);
        }
        if let Step::Chase(chase) =
            decide(&query("plc.plant.svc.cluster.local.", RecordType::A).to_vec().unwrap(), &zone, true)
        {
            chase.finish(Some(&bytes));
        }
        failure(&bytes, true);
    }
}

//! Reads which clients session affinity has bound, so that they stay bound over a replacement of
//! the table.

use std::net::IpAddr;

use super::run::run;
use crate::network::rules::{Bound, Family};

/// The clients in the affinity sets of a table; none when there is no table.
pub(super) async fn bound(table: &str, family: Family) -> Vec<Bound> {
    let listed = run("nft", &["list", "sets", "table", family.as_str(), table], "").await;
    listed.map(|output| parse(&output.stdout)).unwrap_or_default()
}

/// Reads nft's list of sets: `set affinity/… { … elements = { ADDRESS expires 1h2m3s4ms, … } }`.
fn parse(listing: &str) -> Vec<Bound> {
    let mut bound = Vec::new();
    let mut set = "";
    let mut words = listing.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty());
    let mut client: Option<IpAddr> = None;
    while let Some(word) = words.next() {
        match word {
            "set" => {
                set = words.next().unwrap_or_default();
                client = None;
            }
            "expires" => {
                let left = words.next().and_then(seconds).unwrap_or(0);
                if let (Some(client), true, true) = (client.take(), set.starts_with("affinity/"), left > 0) {
                    bound.push(Bound { set: set.to_owned(), client, seconds: left });
                }
            }
            _ => client = word.parse().ok().or(client),
        }
    }
    bound
}

/// A duration as nft writes it, in whole seconds: `1d2h3m4s5ms`.
fn seconds(text: &str) -> Option<u64> {
    let mut total = 0u64;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, unit_on) = rest.split_at(digits);
        let letters = unit_on.find(|c: char| c.is_ascii_digit()).unwrap_or(unit_on.len());
        let (unit, next) = unit_on.split_at(letters);
        let factor = match unit {
            "w" => 7 * 86_400,
            "d" => 86_400,
            "h" => 3_600,
            "m" => 60,
            "s" => 1,
            "ms" => 0,
            _ => return None,
        };
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(factor)?)?;
        rest = next;
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::{Bound, parse, seconds};

    #[test]
    fn durations_are_read_as_nft_writes_them() {
        assert_eq!(seconds("2h59m58s4ms"), Some(10_798));
        assert_eq!(seconds("1d3s"), Some(86_403));
        assert_eq!(seconds("512ms"), Some(0));
        assert_eq!(seconds("5"), None);
        assert_eq!(seconds("99999999999999999999s"), None);
    }

    #[test]
    fn clients_are_read_from_affinity_sets_alone() {
        let listing = "table ip k2d {\n\tset affinity/a/b/tcp/80/10.42.1.5/8080 {\n\t\ttype ipv4_addr\n\t\tsize 65535\n\
            \t\tflags dynamic,timeout\n\t\ttimeout 3h\n\t\telements = { 10.42.1.9 timeout 3h expires 2h1s900ms,\n\
            \t\t\t     192.0.2.7 expires 300ms, 192.0.2.8 expires 4m }\n\t}\n\
            \tset remote {\n\t\telements = { 192.0.2.9 . tcp . 502 expires 9m }\n\t}\n}\n";
        let set = "affinity/a/b/tcp/80/10.42.1.5/8080".to_owned();
        let client = |client: &str, seconds| Bound { set: set.clone(), client: client.parse().unwrap(), seconds };
        assert_eq!(parse(listing), [client("10.42.1.9", 7201), client("192.0.2.8", 240)]);
        assert_eq!(parse(""), []);
    }
}

//! The leave to pass through Docker's own firewall.
//!
//! Docker's FORWARD chain drops what comes from other machines to a container that publishes no
//! port. The chain DOCKER-USER is left to the administrator and kept by Docker over its restarts;
//! one accept there lets through what was led to a pod. On a machine without that chain (Podman, or
//! Docker with another firewall) nothing is done.

use super::run::run;
use super::{ApplyError, checked};
use crate::network::addresses::Network;

const CHAIN: &str = "DOCKER-USER";

/// Makes the accepts of this instance those for `pods`, none to take them away.
pub(super) async fn allow(instance: &str, pods: &[Network]) -> Result<(), ApplyError> {
    let listed = match run("iptables", &["-w", "-S", CHAIN], "").await {
        Ok(output) if output.success => output.stdout,
        // No iptables or no such chain: no Docker firewall to pass.
        _ => return Ok(()),
    };
    let wanted: Vec<Vec<String>> = pods.iter().map(|network| rule(instance, network)).collect();
    let (missing, surplus) = compare(&listed, instance, &wanted);
    for rule in surplus {
        change("-D", &rule).await?;
    }
    for rule in missing {
        change("-I", rule).await?;
    }
    Ok(())
}

async fn change(how: &str, rule: &[String]) -> Result<(), ApplyError> {
    let mut arguments = vec!["-w", how, CHAIN];
    arguments.extend(rule.iter().map(String::as_str));
    checked("iptables", "iptables", run("iptables", &arguments, "").await).map(drop)
}

/// The rule, in the order in which `iptables -S` writes it.
fn rule(instance: &str, pods: &Network) -> Vec<String> {
    let text = format!("-d {pods} -m conntrack --ctstate DNAT -m comment --comment {} -j ACCEPT", comment(instance));
    text.split(' ').map(str::to_owned).collect()
}

/// Letters that iptables writes without quotes.
fn comment(instance: &str) -> String {
    format!("k2d-instance-{instance}")
}

/// Which wanted rules are missing, and which rules of this instance are there but not wanted.
fn compare<'a>(listed: &str, instance: &str, wanted: &'a [Vec<String>]) -> (Vec<&'a [String]>, Vec<Vec<String>>) {
    let ours = comment(instance);
    let present = listed.lines().filter_map(|line| {
        let words = line.strip_prefix("-A ")?.split_whitespace().skip(1).map(|word| word.trim_matches('"').to_owned());
        let words: Vec<String> = words.collect();
        words.contains(&ours).then_some(words)
    });
    let mut missing: Vec<&[String]> = wanted.iter().map(Vec::as_slice).collect();
    let mut surplus = Vec::new();
    for rule in present {
        // A second copy of a wanted rule is surplus too.
        match missing.iter().position(|wanted| *wanted == rule.as_slice()) {
            Some(found) => _ = missing.remove(found),
            None => surplus.push(rule),
        }
    }
    (missing, surplus)
}

#[cfg(test)]
mod tests {
    use super::{compare, rule};

    #[test]
    fn only_rules_of_this_instance_are_touched() {
        let wanted = [rule("k2d", &"10.42.0.0/16".parse().unwrap())];
        let listed = "-N DOCKER-USER\n-A DOCKER-USER -s 192.0.2.1/32 -j DROP\n\
            -A DOCKER-USER -d 10.44.0.0/16 -m conntrack --ctstate DNAT -m comment --comment k2d-instance-test -j ACCEPT\n\
            -A DOCKER-USER -d 10.9.0.0/16 -m conntrack --ctstate DNAT -m comment --comment \"k2d-instance-k2d\" -j ACCEPT\n\
            -A DOCKER-USER -j RETURN\n";
        let (missing, surplus) = compare(listed, "k2d", &wanted);
        assert_eq!(missing, [wanted[0].as_slice()]);
        assert_eq!(surplus, [rule("k2d", &"10.9.0.0/16".parse().unwrap())]);
        let there = format!("-A DOCKER-USER {}\n", wanted[0].join(" "));
        assert_eq!(compare(&there, "k2d", &wanted), (vec![], vec![]));
        assert_eq!(compare(&there.repeat(2), "k2d", &wanted).1.len(), 1);
    }
}

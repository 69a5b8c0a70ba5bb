//! `k2d token`: bearer tokens that are kept by their hash (made, listed, revoked), and tokens of service
//! accounts, signed by the server that runs.

mod account;

use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use jiff::Timestamp;

use super::{Common, Usage, print};
use crate::host::bearer::{BearerTokens, Entry};
use crate::host::pki::{self, Folder};

#[derive(Args, Debug)]
pub(super) struct Flags {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a bearer token for a user and print it; it holds at once
    Create(Create),
    /// List the bearer tokens, without themselves
    List,
    /// Let a bearer token end at once
    Revoke(Revoke),
    /// Print a token of a service account
    Account(account::Flags),
}

#[derive(Args, Debug)]
struct Create {
    /// Name of the user
    user: String,
    /// A group of the user; may be given again
    #[arg(long, short, value_name = "NAME")]
    group: Vec<String>,
    /// How long it holds: a number with s, m, h or d, or `never`
    #[arg(long, value_name = "TIME", default_value = "365d")]
    expires: String,
}

#[derive(Args, Debug)]
struct Revoke {
    /// Identifier of the token, as `k2d token list` shows it
    id: String,
}

pub(super) fn run(flags: Flags, common: Common) -> anyhow::Result<ExitCode> {
    let config = common.load()?;
    if let Action::Account(flags) = flags.action {
        return account::run(flags, &config);
    }
    // Makes the folder where the server has never run.
    Folder::open(&config.data_dir, SystemTime::now()).context("run it as root, where k2d runs")?;
    let tokens = BearerTokens::new(&pki::folder(&config.data_dir));
    match flags.action {
        Action::Create(create) => {
            let now = Timestamp::now();
            let expires = ends(&create.expires, now)?;
            check(&create)?;
            let (token, entry) = tokens.create(&create.user, &create.group, expires, now)?;
            print(&format!("{token}\n"))?;
            let until = entry.expires.map_or_else(|| "until it is revoked".to_owned(), |end| format!("until {end}"));
            eprintln!("k2d: it holds {until} and is not shown again; `k2d token revoke {}` ends it", entry.id);
        }
        Action::List => print(&table(&tokens.list()?, Timestamp::now()))?,
        Action::Revoke(revoke) => {
            if !tokens.revoke(&revoke.id)? {
                bail!("there is no token `{}`; see `k2d token list`", revoke.id);
            }
        }
        Action::Account(_) => {}
    }
    Ok(ExitCode::SUCCESS)
}

/// Names that mean something else to the API are not for people.
fn check(create: &Create) -> Result<(), Usage> {
    if create.user.is_empty() || create.user.starts_with("system:") {
        return Err(Usage(format!("`{}` is not a name for a user", create.user)));
    }
    let odd = |group: &&String| group.is_empty() || *group == "system:unauthenticated";
    match create.group.iter().find(odd) {
        Some(group) => Err(Usage(format!("--group: `{group}` is not a group for a user"))),
        None => Ok(()),
    }
}

/// When a time from now is over; `None` for never.
fn ends(text: &str, now: Timestamp) -> Result<Option<Timestamp>, Usage> {
    if text == "never" {
        return Ok(None);
    }
    let wrong = || Usage(format!("--expires: `{text}` is neither `never` nor a number with s, m, h or d"));
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 24 * 3600,
        _ => return Err(wrong()),
    };
    let number: u64 = text.trim_end_matches(unit).parse().map_err(|_| wrong())?;
    let life = number.checked_mul(seconds).filter(|life| *life > 0).ok_or_else(wrong)?;
    now.checked_add(Duration::from_secs(life)).map(Some).map_err(|_| wrong())
}

fn table(entries: &[Entry], now: Timestamp) -> String {
    let mut rows = vec![["ID", "USER", "GROUPS", "CREATED", "EXPIRES"].map(ToOwned::to_owned)];
    rows.extend(entries.iter().map(|entry| {
        let end = entry.expires.map_or_else(|| "never".to_owned(), |end| end.to_string());
        let expires = if entry.has_expired(now) { format!("{end} (over)") } else { end };
        [entry.id.clone(), entry.user.clone(), entry.groups.join(","), entry.created.to_string(), expires]
    }));
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(String::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..5).map(width).collect();
    let mut out = String::new();
    for row in &rows {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        out.push_str(cells.join("  ").trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_is_a_number_with_its_unit() {
        let end = |text: &str| ends(text, Timestamp::UNIX_EPOCH).ok().map(|end| end.map(Timestamp::as_second));
        assert_eq!(end("90s"), Some(Some(90)));
        assert_eq!(end("2d"), Some(Some(172_800)));
        assert_eq!(end("never"), Some(None));
        for wrong in ["", "0d", "d", "-1d", "1w", "1.5h", "99999999999999999d", "9999999999d"] {
            assert_eq!(end(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn nobody_takes_a_name_of_the_system() {
        let create = |user: &str, group: &str| {
            check(&Create { user: user.into(), group: vec![group.into()], expires: String::new() }).is_ok()
        };
        assert!(create("olga", "system:masters"));
        assert!(!create("system:kube-scheduler", "ops"));
        assert!(!create("olga", "system:unauthenticated"));
    }
}

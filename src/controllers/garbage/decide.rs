//! What becomes of an object, from what there is of its owners. Pure.

use crate::kinds::Propagation;
use crate::registry::delete::{FOREGROUND, ORPHAN};

/// What there is of an owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// It is there.
    Solid,
    /// It is not there, or another of the same name is.
    Gone,
    /// It is on its way out and waits for its dependents.
    Waiting,
    /// Its kind is not served.
    Unknown,
}

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    Stay,
    /// Take these owners out of it.
    Release(Vec<String>),
    /// Delete it.
    Delete(Propagation),
}

/// Decides about an object with these owners (by identity); `blocking`: it has dependents of its own
/// that it has to wait for.
pub fn decide(owners: &[(String, Found)], blocking: bool, finalizers: &[String]) -> Verdict {
    let of = |wanted: Found| owners.iter().filter(move |(_, found)| *found == wanted);
    let kept = of(Found::Solid).next().or_else(|| of(Found::Unknown).next()).is_some();
    if kept {
        if of(Found::Unknown).next().is_some() {
            return Verdict::Stay;
        }
        let rest = of(Found::Gone).chain(of(Found::Waiting));
        let rest: Vec<String> = rest.map(|(uid, _)| uid.clone()).collect();
        return if rest.is_empty() { Verdict::Stay } else { Verdict::Release(rest) };
    }
    if of(Found::Waiting).next().is_some() && blocking {
        return Verdict::Delete(Propagation::Foreground);
    }
    let has = |name: &str| finalizers.iter().any(|finalizer| finalizer == name);
    Verdict::Delete(if has(ORPHAN) {
        Propagation::Orphan
    } else if has(FOREGROUND) {
        Propagation::Foreground
    } else {
        Propagation::Background
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(uid: &str, found: Found) -> (String, Found) {
        (uid.to_owned(), found)
    }

    #[test]
    fn one_owner_keeps_it_and_the_others_are_taken_out() {
        let owners = [owner("a", Found::Solid), owner("b", Found::Gone), owner("c", Found::Waiting)];
        assert_eq!(decide(&owners, false, &[]), Verdict::Release(vec!["b".into(), "c".into()]));
        assert_eq!(decide(&owners[..1], false, &[]), Verdict::Stay);
    }

    #[test]
    fn without_owners_it_goes_as_its_finalizers_say() {
        let owners = [owner("b", Found::Gone)];
        assert_eq!(decide(&owners, false, &[]), Verdict::Delete(Propagation::Background));
        assert_eq!(decide(&owners, false, &["orphan".into()]), Verdict::Delete(Propagation::Orphan));
        let waiting = [owner("c", Found::Waiting)];
        assert_eq!(decide(&waiting, true, &[]), Verdict::Delete(Propagation::Foreground));
        assert_eq!(decide(&waiting, false, &[]), Verdict::Delete(Propagation::Background));
    }

    #[test]
    fn an_owner_of_an_unknown_kind_keeps_it() {
        let owners = [owner("a", Found::Unknown), owner("b", Found::Gone)];
        assert_eq!(decide(&owners, false, &[]), Verdict::Stay);
    }
}

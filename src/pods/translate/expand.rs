//! `$(NAME)` in commands, arguments and variables (API reference of `Container.command`).

/// Replaces `$(NAME)` by what `lookup` gives; a name that it does not know stays as it is, and `$$` is
/// one `$`.
pub fn expand(text: &str, lookup: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, after) = rest.split_at(at);
        out.push_str(before);
        let after = after.get(1..).unwrap_or_default();
        if let Some(tail) = after.strip_prefix('$') {
            out.push('$');
            rest = tail;
        } else if let Some((name, tail)) = after.strip_prefix('(').and_then(|inner| inner.split_once(')')) {
            match lookup(name) {
                Some(value) => out.push_str(&value),
                None => {
                    out.push_str("$(");
                    out.push_str(name);
                    out.push(')');
                }
            }
            rest = tail;
        } else {
            out.push('$');
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_a(text: &str) -> String {
        expand(text, |name| (name == "A").then(|| "1".to_owned()))
    }

    #[test]
    fn known_names_are_replaced_and_others_stay() {
        assert_eq!(with_a("x$(A)y$(B)"), "x1y$(B)");
        assert_eq!(with_a("$$(A) $$$(A)"), "$(A) $1");
        assert_eq!(with_a("$A $ $( $(A"), "$A $ $( $(A");
        assert_eq!(with_a("$(A)$(A)"), "11");
        assert_eq!(with_a("é$(A)é$"), "é1é$");
    }
}

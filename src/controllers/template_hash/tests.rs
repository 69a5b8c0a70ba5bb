//! Hashes that the Go code gives for the same templates.

use super::*;

fn templates() -> Vec<Value> {
    serde_json::from_str(include_str!("templates.json")).expect("a list of templates")
}

#[test]
fn hashes_are_those_of_the_go_code() {
    let expected = [("6fc7bc8cdd", "7cf797ccff"), ("568cc675b", "57864db779"), ("5b7c786fdc", "595b6668c6")];
    for (template, (plain, collided)) in templates().iter().zip(expected) {
        let mut shown = String::new();
        dump(&mut shown, template_type().expect("a pod template"), template);
        assert_eq!(template_hash(template, None), plain, "{shown}");
        assert_eq!(template_hash(template, Some(3)), collided);
    }
}

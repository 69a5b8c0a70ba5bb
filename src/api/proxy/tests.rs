use super::*;

fn parts(list: &[&str]) -> Vec<String> {
    list.iter().map(|part| (*part).to_owned()).collect()
}

#[test]
fn paths_are_cleaned_and_escaped() {
    assert_eq!(path(&parts(&["a", "", "b", "..", "c d"]), false), "/a/c%20d");
    assert_eq!(path(&parts(&["..", "..", "x"]), true), "/x/");
    assert_eq!(path(&parts(&["a/b", "c:1"]), false), "/a/b/c:1");
    assert_eq!(path(&[], false), "");
    assert_eq!(path(&[], true), "/");
}

#[test]
fn no_credential_and_no_header_of_this_connection_goes_on() {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("authorization", "Bearer x"),
        ("impersonate-user", "olga"),
        ("impersonate-extra-scopes", "all"),
        ("connection", "close, x-mine"),
        ("x-mine", "1"),
        ("transfer-encoding", "chunked"),
        ("cookie", "kept=1"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let left = sent(&headers, false);
    assert_eq!(left.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["cookie"]);
    headers.insert("connection", HeaderValue::from_static("keep-alive, Upgrade"));
    headers.insert("upgrade", HeaderValue::from_static("websocket"));
    let left = sent(&headers, true);
    assert_eq!(left.get("upgrade").map(HeaderValue::as_bytes), Some(b"websocket".as_slice()));
    assert_eq!(left.get("connection").map(HeaderValue::as_bytes), Some(b"Upgrade".as_slice()));
}

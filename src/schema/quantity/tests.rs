use super::*;

fn shown(text: &str) -> String {
    Quantity::parse(text).map_or_else(|error| error.to_string(), |quantity| quantity.to_string())
}

#[test]
fn quantities_are_shown_in_canonical_form() {
    for (text, canonical) in [
        ("0", "0"),
        ("0m", "0"),
        ("-0", "0"),
        ("1000m", "1"),
        ("0.5", "500m"),
        ("1.5", "1500m"),
        ("100m", "100m"),
        ("1.5Gi", "1536Mi"),
        ("1024Mi", "1Gi"),
        ("1025Mi", "1025Mi"),
        ("1000Ki", "1000Ki"),
        ("512Ki", "512Ki"),
        ("0.5Ki", "512"),
        ("0.5Gi", "512Mi"),
        ("1000k", "1M"),
        ("1e3", "1e3"),
        ("1E3", "1E3"),
        ("12e2", "1200"),
        ("1000000", "1M"),
        ("123456", "123456"),
        ("1.0001n", "2n"),
        ("0.1n", "1n"),
        ("-0.1n", "-1n"),
        ("16Ei", "9223372036854775807"),
        ("1023", "1023"),
        ("5.", "5."),
        ("+5", "+5"),
        ("0.0001Ki", "102400u"),
        ("1.1Ki", "1126400m"),
        ("100000000000000000000", "100E"),
    ] {
        assert_eq!(shown(text), canonical, "{text}");
    }
}

#[test]
fn what_is_no_quantity_is_told_why() {
    for text in ["", "lots", "1Zi", "1 Gi", "1Gi ", "1.2.3", "1Gi5x"] {
        assert_eq!(Quantity::parse(text).map(|q| q.to_string()), Err(QuantityError::Format), "{text}");
    }
    for text in ["--1", "1Mii", "1mm", "1e", "1i"] {
        assert_eq!(Quantity::parse(text).map(|q| q.to_string()), Err(QuantityError::Suffix), "{text}");
    }
}

#[test]
fn order_and_sums_do_not_depend_on_the_notation() {
    let q = |text: &str| Quantity::parse(text).expect(text);
    assert_eq!(q("1"), q("1000m"));
    assert_eq!(q("1Ki"), q("1.024k"));
    assert!(q("1Gi") > q("1G") && q("-1") < q("0") && q("999m") < q("1"));
    assert!(q("1e40") > q("1E") && q("1n") < q("1e40"));
    assert_eq!(q("100m").add(&q("0.9")).to_string(), "1");
    assert_eq!(q("1Gi").add(&q("1Mi")).to_string(), "1025Mi");
    assert_eq!(q("0").add(&q("1Gi")).to_string(), "1Gi");
    assert_eq!(q("1").sub(&q("1500m")).to_string(), "-500m");
    assert_eq!(q("250m").times(4).to_string(), "1");
}

#[test]
fn whole_numbers_are_rounded_away_from_zero() {
    let q = |text: &str| Quantity::parse(text).expect(text);
    assert_eq!((q("1.1").value(), q("-1.1").value(), q("1.1").milli_value()), (2, -2, 1100));
    assert_eq!((q("1Ki").value(), q("100u").milli_value()), (1024, 1));
    assert_eq!(q("1e30").value(), i64::MAX);
    assert!(q("1500m").is_multiple_of(-3) && !q("1500m").is_multiple_of(0));
}

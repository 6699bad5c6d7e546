#![expect(clippy::unwrap_used, reason = "a failure here is the test's")]
use super::*;
use crate::codec::testing::{HARD_F64, HARD_I64, bits, filled, hostile};

#[test]
fn doubles() {
    for &value in HARD_F64 {
        let values = [value; 300];
        assert!(holds_f64(&values));
        let mut bytes = Vec::new();
        encode_f64(&values, &mut bytes);
        assert_eq!(bytes.len(), 8);
        assert_eq!(bits(&filled(300, |out| decode_f64(&bytes, out)).unwrap()), bits(&values));
        hostile(&bytes, 300, |b| filled(300, |out| decode_f64(b, out)).map(|v| v.len()));
    }
}

#[test]
fn integers() {
    for &value in HARD_I64 {
        let values = [value; 300];
        assert!(holds_i64(&values));
        let mut bytes = Vec::new();
        encode_i64(&values, &mut bytes);
        assert_eq!(filled(300, |out| decode_i64(&bytes, out)).unwrap(), values);
        hostile(&bytes, 300, |b| filled(300, |out| decode_i64(b, out)).map(|v| v.len()));
    }
}

#[test]
fn truth_values() {
    for value in [false, true] {
        let values = [value; 300];
        assert!(holds_bool(&values));
        let mut bytes = Vec::new();
        encode_bool(&values, &mut bytes);
        assert_eq!(filled(300, |out| decode_bool(&bytes, out)).unwrap(), values);
        hostile(&bytes, 300, |b| filled(300, |out| decode_bool(b, out)).map(|v| v.len()));
    }
}

#[test]
fn equal_is_not_the_same_bits() {
    assert!(!holds_f64(&[0.0, -0.0]));
    assert!(!holds_f64(&[]) && !holds_i64(&[]) && !holds_bool(&[]));
    assert!(!holds_i64(&[1, 1, 2]) && !holds_bool(&[true, false]));
}

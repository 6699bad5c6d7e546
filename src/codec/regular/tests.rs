#![expect(clippy::unwrap_used, reason = "a failure here is the test's")]
use proptest::prelude::*;

use super::*;
use crate::codec::testing::{filled, hostile};

proptest! {
    #[test]
    fn any_start_and_step(first: i64, step: i64, n in 1..200usize) {
        let values: Vec<i64> =
            (0..n).map(|i| first.wrapping_add((i as i64).wrapping_mul(step))).collect();
        prop_assert!(holds(&values));
        let mut bytes = Vec::new();
        encode(&values, &mut bytes);
        prop_assert!(bytes.len() <= 20);
        prop_assert_eq!(&filled(n, |out| decode(&bytes, out)).unwrap(), &values);
        hostile(&bytes, n, |b| filled(n, |out| decode(b, out)).map(|v| v.len()));
    }
}

#[test]
fn what_is_not_regular() {
    assert!(!holds(&[]));
    assert!(!holds(&[1, 2, 4]));
    assert!(holds(&[i64::MAX, i64::MIN, i64::MIN + 1]));
}

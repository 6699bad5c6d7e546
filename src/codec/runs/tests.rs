#![expect(clippy::unwrap_used, reason = "a failure here is the test's")]
use proptest::prelude::*;

use super::*;
use crate::codec::testing::{bools, filled, hostile};

proptest! {
    #[test]
    fn every_truth_value_comes_back(values in bools(2000)) {
        let mut bytes = Vec::new();
        prop_assert!(encode_within(&values, usize::MAX, &mut bytes));
        let n = values.len();
        prop_assert_eq!(&filled(n, |out| decode(&bytes, out)).unwrap(), &values);
        let mut within = Vec::new();
        prop_assert!(!encode_within(&values, bytes.len(), &mut within));
        within.clear();
        prop_assert!(encode_within(&values, bytes.len() + 1, &mut within));
        prop_assert_eq!(within, bytes);
    }

    #[test]
    fn hostile_bytes(values in bools(300)) {
        let mut bytes = Vec::new();
        prop_assert!(encode_within(&values, usize::MAX, &mut bytes));
        let n = values.len();
        hostile(&bytes, n, |b| filled(n, |out| decode(b, out)).map(|v| v.len()));
    }
}

#![expect(clippy::unwrap_used, reason = "a failure here is the test's")]
use proptest::prelude::*;

use super::*;
use crate::codec::testing::{bits, bools, f64s, filled, hostile};

proptest! {
    #[test]
    fn doubles(values in f64s(100)) {
        let mut bytes = Vec::new();
        encode_f64(&values, &mut bytes);
        prop_assert_eq!(bytes.len(), values.len() * 8);
        let n = values.len();
        prop_assert_eq!(bits(&filled(n, |out| decode_f64(&bytes, out)).unwrap()), bits(&values));
        hostile(&bytes, n, |b| filled(n, |out| decode_f64(b, out)).map(|v| v.len()));
    }

    #[test]
    fn truth_values(values in bools(1000)) {
        let mut bytes = Vec::new();
        encode_bool(&values, &mut bytes);
        prop_assert_eq!(bytes.len(), values.len().div_ceil(8));
        let n = values.len();
        prop_assert_eq!(&filled(n, |out| decode_bool(&bytes, out)).unwrap(), &values);
        hostile(&bytes, n, |b| filled(n, |out| decode_bool(b, out)).map(|v| v.len()));
    }
}

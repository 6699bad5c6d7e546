//! Integers come back bit for bit, and hostile bytes give exactly the number asked for or an error.
#![no_main]

use kymograph::codec;
use libfuzzer_sys::fuzz_target;

#[derive(arbitrary::Arbitrary, Debug)]
enum Input {
    RoundTrip(Vec<i64>),
    Hostile(u16, Vec<u8>),
}

fuzz_target!(|input: Input| {
    match input {
        Input::RoundTrip(values) => {
            let (mut bytes, mut out) = (Vec::new(), Vec::new());
            codec::encode_i64(&values, &mut bytes);
            codec::decode_i64(&bytes, values.len(), &mut out).expect("what was encoded decodes");
            assert_eq!(out, values);
        }
        Input::Hostile(n, bytes) => {
            let (n, mut out) = (usize::from(n), Vec::new());
            let decoded = codec::decode_i64(&bytes, n, &mut out);
            assert_eq!(out.len(), if decoded.is_ok() { n } else { 0 });
        }
    }
});

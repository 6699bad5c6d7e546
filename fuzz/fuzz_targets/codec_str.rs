//! Strings come back, and hostile bytes give exactly the number asked for or an error.
#![no_main]

use kymograph::codec;
use kymograph::model::StrValues;
use libfuzzer_sys::fuzz_target;

#[derive(arbitrary::Arbitrary, Debug)]
enum Input {
    RoundTrip(Vec<String>),
    Repeating(Vec<String>, Vec<u8>),
    Hostile(u8, Vec<u8>),
}

fn round_trip(values: &StrValues) {
    let (mut bytes, mut out) = (Vec::new(), StrValues::default());
    codec::encode_str(values, &mut bytes);
    codec::decode_str(&bytes, values.len(), &mut out).expect("what was encoded decodes");
    assert_eq!(&out, values);
}

fuzz_target!(|input: Input| {
    match input {
        Input::RoundTrip(values) => round_trip(&values.iter().collect()),
        Input::Repeating(values, picks) => {
            let pick = |i: &u8| values.get(usize::from(*i) % values.len().max(1));
            round_trip(&picks.iter().filter_map(pick).collect());
        }
        Input::Hostile(n, bytes) => {
            let (n, mut out) = (usize::from(n), StrValues::default());
            let decoded = codec::decode_str(&bytes, n, &mut out);
            assert_eq!(out.len(), if decoded.is_ok() { n } else { 0 });
        }
    }
});

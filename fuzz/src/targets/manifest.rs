//! Any bytes as a manifest: an error or a manifest that survives being encoded and decoded again.
//! The first byte says whether the rest is a whole object or a body that gets a valid frame.

use kymograph::storage::manifest::Manifest;

/// Runs one input.
pub fn run(data: &[u8]) {
    let Some((framed, rest)) = data.split_first() else { return };
    let manifest = if framed & 1 == 0 {
        Manifest::decode(rest)
    } else {
        let Ok(manifest) = serde_json::from_slice::<Manifest>(rest) else { return };
        if manifest.check().is_err() {
            return;
        }
        Ok(manifest)
    };
    if let Ok(manifest) = manifest {
        let bytes = manifest.encode(1).expect("what was checked can be encoded");
        assert_eq!(Manifest::decode(&bytes).expect("what was encoded can be decoded"), manifest);
    }
}

//! Every input kept of every fuzz target runs through that target's own function, without a
//! sanitizer and on any compiler: what once crashed or reached something new must still pass.

#[allow(dead_code, unreachable_pub, reason = "a crate of its own, of which this runs a part")]
#[path = "../fuzz/src/lib.rs"]
mod kymograph_fuzz;

use std::fs;
use std::path::{Path, PathBuf};

use kymograph_fuzz::targets;

/// Most that the repository keeps of one target.
const MOST_INPUTS: usize = 200;
const MOST_BYTES: usize = 200 << 10;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name)
}

fn inputs(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| entry.expect("an entry of the folder").path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(&path).expect("an input"))).collect()
}

#[test]
fn every_kept_input_passes() {
    for (name, run) in targets::ALL {
        let kept = inputs(&folder(name));
        assert!(kept.len() >= 10, "{name}: {} inputs are kept in fuzz/corpus", kept.len());
        for (path, bytes) in &kept {
            // A panic names no input.
            eprintln!("{}", path.display());
            run(bytes);
        }
        println!("{name}: {} inputs", kept.len());
    }
}

#[test]
fn what_is_kept_stays_small() {
    for (name, _) in targets::ALL {
        let kept = inputs(&folder(name));
        let bytes: usize = kept.iter().map(|(_, bytes)| bytes.len()).sum();
        assert!(kept.len() <= MOST_INPUTS, "{name}: {} inputs; minimise them", kept.len());
        assert!(bytes <= MOST_BYTES, "{name}: {bytes} bytes; minimise them");
    }
}

#[test]
fn every_target_is_in_the_list() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets");
    let mut files: Vec<String> = inputs(&manifest)
        .iter()
        .filter_map(|(path, _)| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    files.sort();
    assert_eq!(files, targets::ALL.map(|(name, _)| name.to_owned()));
}

/// What a fuzzer does, blindly: kept inputs with bytes changed. `KYMOGRAPH_FUZZ_ROUNDS` is how many
/// of each target; a failure prints the input.
#[test]
fn changed_inputs_pass_too() {
    let rounds = std::env::var("KYMOGRAPH_FUZZ_ROUNDS").ok();
    let rounds: u64 = rounds.map_or(200, |n| n.parse().expect("KYMOGRAPH_FUZZ_ROUNDS is a number"));
    for (name, run) in targets::ALL {
        let kept = inputs(&folder(name));
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let mut random = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % below.max(1) as u64) as usize
        };
        for _ in 0..rounds {
            let Some((_, bytes)) = kept.get(random(kept.len())) else { continue };
            let mut bytes = bytes.clone();
            for _ in 0..=random(4) {
                let at = random(bytes.len());
                match random(4) {
                    0 => bytes.truncate(at),
                    1 => bytes.insert(at, random(256) as u8),
                    _ => {
                        if let Some(byte) = bytes.get_mut(at) {
                            *byte ^= 1 << random(8);
                        }
                    }
                }
            }
            let input = bytes.clone();
            let ran = std::panic::catch_unwind(|| run(&input));
            assert!(ran.is_ok(), "{name} fails on {bytes:?}");
        }
        println!("{name}: {rounds} changed inputs");
    }
}

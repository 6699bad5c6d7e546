//! Gives the sources that are included the model checker's locks, unless `RACES_REAL` is set; no dependency sees the `cfg`.

fn main() {
    if std::env::var_os("RACES_REAL").is_none() {
        println!("cargo::rustc-cfg=shuttle");
    }
    println!("cargo::rerun-if-env-changed=RACES_REAL");
    println!("cargo::rerun-if-changed=build.rs");
}

//! The import order of ARCHITECTURE.md, enforced: what each module of the core may name, no
//! pyo3 in the core, and Python's folders apart from each other.

#[path = "import_order/python.rs"]
mod python;
#[path = "import_order/rust.rs"]
mod rust;

use std::path::{Path, PathBuf};

/// The files below `dir` that end in `.{extension}`, as paths from the repository's root with
/// their text, sorted.
fn files(dir: &str, extension: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut left: Vec<PathBuf> = vec![root.join(dir)];
    while let Some(folder) = left.pop() {
        let entries =
            std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        for entry in entries {
            let path = entry.expect("a folder's entry can be read").path();
            if path.is_dir() {
                left.push(path);
            } else if path.extension().is_some_and(|e| e == extension) {
                let text = std::fs::read_to_string(&path).expect("source is UTF-8");
                let name = path.strip_prefix(root).expect("below the root");
                found.push((name.to_string_lossy().replace('\\', "/"), text));
            }
        }
    }
    found.sort();
    found
}

/// What was looked at, and what broke the rules.
#[derive(Debug, Default)]
struct Findings {
    imports: usize,
    violations: Vec<String>,
}

fn assert_clean(
    dir: &str,
    extension: &str,
    least: (usize, usize),
    check: fn(&str, &str) -> Findings,
) {
    let files = files(dir, extension);
    let findings: Vec<Findings> = files.iter().map(|(path, text)| check(path, text)).collect();
    let imports: usize = findings.iter().map(|f| f.imports).sum();
    assert!(files.len() >= least.0, "only {} files in {dir}: does this look there?", files.len());
    assert!(imports >= least.1, "only {imports} imports in {dir}: does this see them?");
    let violations: Vec<String> = findings.into_iter().flat_map(|f| f.violations).collect();
    assert!(violations.is_empty(), "import order broken:\n{}", violations.join("\n"));
}

#[test]
fn the_core_keeps_its_import_order() {
    assert_clean("src", "rs", (20, 40), rust::check);
}

#[test]
fn python_folders_stay_apart() {
    assert_clean("python/kymograph", "py", (1, 1), python::check);
}

//! `docs/unsafe.md` lists every `unsafe` of the core and the bindings, and nothing else.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A file and the function around an `unsafe`, with how many there are.
type Found = BTreeMap<(String, String), usize>;

const ROOTS: [&str; 2] = ["src", "python/src"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

/// The text without comments and without what stands in quotes.
fn code(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (String::with_capacity(text.len()), 0);
    while at < bytes.len() {
        let rest = &text[at..];
        let skip = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(hashes) = raw_string(rest) {
            let end = format!("\"{}", "#".repeat(hashes));
            let from = hashes + 2;
            rest[from..].find(&end).map_or(rest.len(), |found| from + found + end.len())
        } else if rest.starts_with('"') {
            let mut end = 1;
            while end < rest.len() && rest.as_bytes()[end] != b'"' {
                end += if rest.as_bytes()[end] == b'\\' { 2 } else { 1 };
            }
            end + 1
        } else if rest.starts_with("'{'") || rest.starts_with("'}'") || rest.starts_with("'\"'") {
            3
        } else {
            0
        };
        if skip > 0 {
            at += skip.min(rest.len());
            out.push(' ');
            continue;
        }
        let next = rest.chars().next().map_or(1, char::len_utf8);
        out.push_str(&rest[..next]);
        at += next;
    }
    out
}

/// With how many `#` a raw string begins here.
fn raw_string(rest: &str) -> Option<usize> {
    let after = rest.strip_prefix('r')?;
    let hashes = after.bytes().take_while(|byte| *byte == b'#').count();
    after[hashes..].starts_with('"').then_some(hashes)
}

fn words(code: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    for c in code.chars() {
        if c.is_alphanumeric() || c == '_' || (c == '$' && word.is_empty()) {
            word.push(c);
            continue;
        }
        if !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if !c.is_whitespace() {
            words.push(c.to_string());
        }
    }
    words
}

/// Counts `unsafe` by the functions and modules around it; a name in a macro is that of the macro's
/// argument.
fn scan(file: &str, text: &str, found: &mut Found) {
    let words = words(&code(text));
    // What each open brace belongs to: a named function or module, or neither.
    let (mut open, mut next): (Vec<Option<String>>, Option<String>) = (Vec::new(), None);
    // In parentheses and brackets a semicolon ends no item: `[i64; 8]`.
    let mut within = 0;
    for (at, word) in words.iter().enumerate() {
        match word.as_str() {
            "fn" | "mod" => {
                let name = words.get(at + 1).filter(|name| *name != "(");
                next = name.filter(|name| *name != "tests").cloned();
            }
            "{" => open.push(next.take()),
            "}" => drop(open.pop()),
            "(" | "[" => within += 1,
            ")" | "]" => within -= 1,
            ";" if within == 0 => next = None,
            "unsafe" => {
                let around = open.iter().flatten().chain(&next).cloned().collect::<Vec<_>>();
                // What a macro makes is called what its caller says.
                let around = match around.iter().find(|name| name.starts_with('$')) {
                    Some(name) => name.clone(),
                    None if around.is_empty() => "-".to_owned(),
                    None => around.join("::"),
                };
                *found.entry((file.to_owned(), around)).or_default() += 1;
            }
            _ => {}
        }
    }
}

fn in_sources() -> Found {
    let mut found = Found::new();
    let mut files = Vec::new();
    ROOTS.iter().for_each(|folder| sources(&root().join(folder), &mut files));
    assert!(files.len() > 150, "{} files: the sources moved", files.len());
    for path in files {
        let name = path.strip_prefix(root()).expect("below the root").display().to_string();
        scan(&name, &fs::read_to_string(&path).expect("a source"), &mut found);
    }
    found
}

/// The rows of the page: what they list, and whether each says why and which test.
fn listed() -> Found {
    let page = fs::read_to_string(root().join("docs/unsafe.md")).expect("docs/unsafe.md");
    let mut listed = Found::new();
    for line in page.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [file, function, blocks, why, test] = cells.as_slice() else {
            panic!("docs/unsafe.md: a row of {} columns: {line}", cells.len())
        };
        assert!(why.len() > 20 && !test.is_empty(), "docs/unsafe.md gives no reason: {line}");
        let blocks = blocks.parse().unwrap_or_else(|_| panic!("{blocks} blocks: {line}"));
        let name = |cell: &str| cell.trim_matches('`').to_owned();
        let before = listed.insert((name(file), name(function)), blocks);
        assert!(before.is_none(), "docs/unsafe.md lists it twice: {line}");
    }
    listed
}

#[test]
fn every_unsafe_block_is_listed_with_its_reason() {
    let (found, listed) = (in_sources(), listed());
    assert!(found.len() > 3, "only {found:?}: the scan finds too little");
    let lines = |all: &Found| -> Vec<String> {
        all.iter().map(|((file, function), n)| format!("{file} {function}: {n}")).collect()
    };
    assert_eq!(lines(&found), lines(&listed), "left: the sources, right: docs/unsafe.md");
}

#[test]
fn the_scan_sees_through_comments_strings_and_braces() {
    let text = r##"
        // unsafe { in a comment }
        fn a() { let s = "unsafe {"; let r = r#"unsafe"#; let c = '{'; }
        mod deep { fn b(x: &mut [[i64; 8]]) { if x { unsafe { y() } } } unsafe fn c() {} }
        unsafe impl Send for X {}
    "##;
    let mut found = Found::new();
    scan("x.rs", text, &mut found);
    let names: Vec<(&str, usize)> =
        found.iter().map(|((_, name), n)| (name.as_str(), *n)).collect();
    assert_eq!(names, [("-", 1), ("deep", 1), ("deep::b", 1)]);
}

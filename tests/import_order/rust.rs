//! `crate::` and `super::` paths of a Rust file against the table.

use super::Findings;

/// Each module with those that it may name, beside itself.
const ALLOWED: [(&str, &[&str]); 14] = [
    ("error", &[]),
    ("sync", &[]),
    ("model", &["error"]),
    ("codec", &["error", "model"]),
    ("chunk", &["error", "model", "codec"]),
    ("kernels", &["error", "model", "codec", "chunk"]),
    ("storage", &["error", "sync", "model", "codec", "chunk", "kernels"]),
    ("query", &["error", "model", "codec", "chunk", "kernels"]),
    ("analytics", &["error", "model", "codec", "chunk", "kernels"]),
    ("stream", &["error", "model", "codec", "chunk", "kernels"]),
    ("sql", &["error", "model", "query"]),
    ("ingest", &["error", "model"]),
    ("planted", &[]),
    (
        "db",
        &[
            "error",
            "sync",
            "model",
            "codec",
            "chunk",
            "kernels",
            "storage",
            "query",
            "analytics",
            "stream",
            "sql",
            "ingest",
        ],
    ),
];

/// Single names that a module may use of another: storage is queried through one trait.
const NAMES: [(&str, &str, &[&str]); 1] =
    [("storage", "query", &["ChunkSource", "SeriesRef", "TagFilter"])];

/// What any module may name: test support that is nothing in the product.
const ANYWHERE: [&str; 1] = ["planted"];

/// Names at the crate's root: `crate::Error` is `crate::error::Error`.
const ROOT: [&str; 2] = ["Error", "Result"];

/// Checks one file, given as its path from the repository's root.
pub(crate) fn check(path: &str, text: &str) -> Findings {
    let mut findings = Findings::default();
    let code = code_of(text);
    if words(&code).any(|(_, word)| word == "pyo3") {
        findings.violations.push(format!("{path}: the core names pyo3"));
    }
    let module = module_of(path);
    let Some(own) = module.first() else { return findings };
    let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| name == own) else {
        findings.violations.push(format!("{path}: module {own} is not in the table"));
        return findings;
    };
    for import in imports(&code, &module) {
        findings.imports += 1;
        let to = import.first().map_or("", String::as_str);
        let name = import.get(1).map_or("", String::as_str);
        let by_name =
            NAMES.iter().any(|(from, of, names)| from == own && *of == to && names.contains(&name));
        let by_name = by_name || ANYWHERE.contains(&to);
        if to != own && !allowed.contains(&to) && !ROOT.contains(&to) && !by_name {
            findings.violations.push(format!("{path}: {own} names crate::{}", import.join("::")));
        }
    }
    findings
}

/// `src/a/b.rs` and `src/a/b/mod.rs` are `[a, b]`; `src/lib.rs` is `[]`.
fn module_of(path: &str) -> Vec<String> {
    let inner = path.strip_prefix("src/").unwrap_or(path);
    let inner = inner.strip_suffix(".rs").unwrap_or(inner);
    let parts = inner.split('/').filter(|p| !matches!(*p, "mod" | "lib"));
    parts.map(str::to_owned).collect()
}

/// Every path from the crate's root that the code names.
fn imports(code: &str, module: &[String]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut supers = 0;
    let mut last_end = usize::MAX;
    for (start, word) in words(code) {
        let end = start + word.len();
        let Some(rest) = code[end..].trim_start().strip_prefix("::") else {
            if word == "crate" && code[end..].trim_start().starts_with("as ") {
                found.push(vec!["self".to_owned()]);
            }
            continue;
        };
        let chained = last_end != usize::MAX && code[last_end..start].trim() == "::";
        match word {
            "crate" => {
                tree(rest, &mut Vec::new(), &mut found);
            }
            "super" => {
                supers = if chained { supers + 1 } else { 1 };
                last_end = end;
                if supers == module.len() && !rest.trim_start().starts_with("super") {
                    // Inside an inline module this is one short of the root: what it names is
                    // the root's only if it is called like one of its modules.
                    let mut paths = Vec::new();
                    tree(rest, &mut Vec::new(), &mut paths);
                    let known = |p: &Vec<String>| {
                        ALLOWED.iter().any(|(m, _)| p.first().is_some_and(|f| f == m))
                    };
                    found.extend(paths.into_iter().filter(known));
                }
            }
            _ => {}
        }
    }
    found
}

/// The paths of a use tree, which begins behind a `::`. Returns what follows it.
fn tree<'a>(text: &'a str, prefix: &mut Vec<String>, out: &mut Vec<Vec<String>>) -> &'a str {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            rest = rest.trim_start().trim_start_matches(',').trim_start();
            match rest.chars().next() {
                None => return rest,
                Some('}') => return &rest[1..],
                Some(_) => {
                    let after = tree(rest, prefix, out);
                    // A renaming (`a as b`) or something unknown: on to the next of the list.
                    let next = after.find([',', '}']).unwrap_or(after.len());
                    rest = &after[next..];
                }
            }
        }
    }
    let len = text.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(text.len());
    let (name, rest) = if text.starts_with('*') { text.split_at(1) } else { text.split_at(len) };
    if name.is_empty() {
        if !prefix.is_empty() {
            out.push(prefix.clone());
        }
        return rest;
    }
    prefix.push(name.to_owned());
    let rest = match rest.trim_start().strip_prefix("::") {
        Some(deeper) => tree(deeper, prefix, out),
        None => {
            out.push(prefix.clone());
            rest
        }
    };
    prefix.pop();
    rest
}

/// The words of the code with where they begin.
fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_word = |c: char| c == '_' || c.is_alphanumeric();
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + code[at..].find(is_word)?;
        let len = code[start..].find(|c| !is_word(c)).unwrap_or(code.len() - start);
        at = start + len;
        Some((start, &code[start..at]))
    })
}

/// The text without comments and without what strings hold.
fn code_of(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let raw = raw_string(rest, code.chars().next_back());
        let skip = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if let Some(len) = raw {
            len
        } else if first == '"' {
            1 + closing(&rest[1..], '"')
        } else if first == '\'' {
            character(rest)
        } else {
            code.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        code.push(' ');
        rest = &rest[skip..];
    }
    code
}

/// Bytes up to and with the `end` that no backslash stands before.
fn closing(text: &str, end: char) -> usize {
    let mut escaped = false;
    for (i, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == end => return i + 1,
            _ => {}
        }
    }
    text.len()
}

/// Bytes of the block comment, which may nest, that begins `text`.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest.starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// Bytes of the raw string that begins `text`, if one does.
fn raw_string(text: &str, before: Option<char>) -> Option<usize> {
    if before.is_some_and(|c| c == '_' || (c.is_alphanumeric() && c != 'b')) {
        return None;
    }
    let hashes = text.strip_prefix('r')?.find(|c| c != '#')?;
    let body = text[1 + hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let len = body.find(&end).map_or(body.len(), |at| at + end.len());
    Some(2 + hashes + len)
}

/// Bytes of the character that begins `text`; 1 for a lifetime.
fn character(text: &str) -> usize {
    let inner = &text[1..];
    match inner.chars().next() {
        Some('\\') => 1 + closing(inner, '\''),
        Some(c) if inner[c.len_utf8()..].starts_with('\'') => 2 + c.len_utf8(),
        _ => 1,
    }
}

#[test]
fn planted_violations_are_found() {
    let planted = [
        (
            "src/query/plan.rs",
            "use crate::storage::Segment;",
            "query names crate::storage::Segment",
        ),
        ("src/model/x.rs", "fn f() { crate::db::open() }", "model names crate::db::open"),
        (
            "src/ingest/x.rs",
            "use crate::{error::Error, chunk::{Part, Chunk}};",
            "crate::chunk::Part",
        ),
        ("src/storage/x.rs", "use crate::query::{ChunkSource, plan::Plan};", "crate::query::plan"),
        ("src/storage/x.rs", "use crate::query;", "storage names crate::query"),
        ("src/storage/x.rs", "use crate::query::*;", "storage names crate::query::*"),
        ("src/codec/a/mod.rs", "use super::super::chunk::Part;", "codec names crate::chunk::Part"),
        ("src/codec/mod.rs", "use super::{error, kernels};", "codec names crate::kernels"),
        ("src/codec/mod.rs", "use crate as k;", "codec names crate::self"),
        ("src/model/mod.rs", "use crate::*;", "model names crate::*"),
        ("src/novel/mod.rs", "", "module novel is not in the table"),
        ("src/sql/mod.rs", "let c = '\"'; use crate::storage::X; // \"", "crate::storage::X"),
        ("src/db.rs", "use pyo3::prelude::*;", "names pyo3"),
        ("src/lib.rs", "extern crate pyo3;", "names pyo3"),
    ];
    for (path, text, expected) in planted {
        let found = check(path, text).violations;
        assert!(found.iter().any(|v| v.contains(expected)), "{path}: {text}: {found:?}");
    }
}

#[test]
fn what_is_allowed_passes() {
    let fine = [
        ("src/storage/x.rs", "use crate::query::{ChunkSource, SeriesRef, TagFilter as T};", 3),
        ("src/storage/x.rs", "impl crate::query::ChunkSource for X {}", 1),
        ("src/chunk/x.rs", "use crate::error::{Error, Result};\nuse crate::model::Column;", 3),
        ("src/chunk/x.rs", "pub fn open() -> crate::Result<crate::model::Value> {}", 2),
        ("src/chunk/x/mod.rs", "pub(in crate::chunk) fn f() {} pub(crate) fn g() {}", 1),
        ("src/chunk/x.rs", "/// [`crate::db::Database`]\n// crate::db::X\nfn f() {}", 0),
        (
            "src/chunk/x.rs",
            "/* /* a */ crate::db::X */ let s = \"crate::db \\\" crate::db::x\";",
            0,
        ),
        ("src/chunk/x.rs", "let s = br#\"crate::db::x \" crate::db::x\"#;", 0),
        ("src/chunk/x.rs", "mod tests { use super::super::CHUNK_ROWS; use super::*; }", 0),
        ("src/db.rs", "use crate::{storage::X, query::Y, ingest, sql::*};", 4),
    ];
    for (path, text, imports) in fine {
        let found = check(path, text);
        assert!(found.violations.is_empty(), "{text}: {found:?}");
        assert_eq!(found.imports, imports, "{text}");
    }
}

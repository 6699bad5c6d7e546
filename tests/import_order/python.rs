//! Imports of a Python file: a folder reaches its sisters only as names of the package itself.

use super::Findings;

/// The folders (or modules) of the package that stand side by side.
const SISTERS: [&str; 6] = ["adapters", "plot", "server", "alerts", "cluster", "cli"];

/// An import: the module that it names and, in `from module import name`, the name.
#[derive(Debug, PartialEq, Eq)]
struct Import {
    module: Vec<String>,
    name: Option<String>,
}

/// Checks one file, given as its path from the repository's root.
///
/// `from kymograph import server` uses a public name of the package and passes;
/// `from kymograph.server import x`, `import kymograph.server` and `from ..server import x`
/// reach into a sister and do not.
pub(crate) fn check(path: &str, text: &str) -> Findings {
    let mut findings = Findings::default();
    let module = path.strip_prefix("python/").unwrap_or(path);
    let mut package: Vec<String> = module.split('/').map(str::to_owned).collect();
    let file = package.pop().unwrap_or_default();
    let own = match package.get(1) {
        Some(folder) => folder.clone(),
        None => file.strip_suffix(".py").unwrap_or(&file).to_owned(),
    };
    for import in imports(text, &package) {
        findings.imports += 1;
        let [root, sister, ..] = import.module.as_slice() else { continue };
        let guarded = |name: &String| SISTERS.contains(&name.as_str());
        if root == "kymograph" && guarded(&own) && guarded(sister) && *sister != own {
            let names = import.module.join(".");
            findings.violations.push(format!("{path}: {own} imports {names}"));
        }
    }
    findings
}

fn imports(text: &str, package: &[String]) -> Vec<Import> {
    let mut found = Vec::new();
    for statement in statements(text) {
        if let Some(list) = statement.strip_prefix("import ") {
            let modules = list.split(',').map(first_word).filter(|m| !m.is_empty());
            found.extend(modules.map(|m| Import { module: dotted(m), name: None }));
        } else if let Some((from, names)) =
            statement.strip_prefix("from ").and_then(|s| s.split_once(" import "))
        {
            let module = resolve(from.trim(), package);
            let names = names.trim().trim_matches(['(', ')']);
            for name in names.split(',').map(first_word).filter(|n| !n.is_empty()) {
                found.push(Import { module: module.clone(), name: Some(name.to_owned()) });
            }
        }
    }
    found
}

fn first_word(text: &str) -> &str {
    text.split_whitespace().next().unwrap_or("")
}

fn dotted(module: &str) -> Vec<String> {
    module.split('.').filter(|p| !p.is_empty()).map(str::to_owned).collect()
}

/// The absolute name of a module; one dot is the file's package, each further dot its parent.
fn resolve(from: &str, package: &[String]) -> Vec<String> {
    let level = from.len() - from.trim_start_matches('.').len();
    let above = if level == 0 { 0 } else { package.len().saturating_sub(level - 1) };
    let mut module = package[..above].to_vec();
    module.extend(dotted(from));
    module
}

/// Statements without comments and strings, trimmed, those in parentheses on one line.
fn statements(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut depth = 0usize;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let quote = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|q| rest.starts_with(q));
        if let Some(quote) = quote {
            rest = past_string(&rest[quote.len()..], quote);
            continue;
        }
        match first {
            '#' => {
                rest = &rest[rest.find('\n').unwrap_or(rest.len())..];
                continue;
            }
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        rest = &rest[first.len_utf8()..];
        if first == '\\' && rest.starts_with('\n') {
            rest = &rest[1..];
        } else if (first == '\n' && depth == 0) || first == ';' {
            lines.push(String::new());
        } else if let Some(line) = lines.last_mut() {
            line.push(if first == '\n' { ' ' } else { first });
        }
    }
    lines.into_iter().map(|l| l.trim().to_owned()).filter(|l| !l.is_empty()).collect()
}

/// What follows the string that ends with `quote`.
fn past_string<'a>(text: &'a str, quote: &str) -> &'a str {
    let mut escaped = false;
    for (i, c) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if text[i..].starts_with(quote) {
            return &text[i + quote.len()..];
        } else if c == '\n' && quote.len() == 1 {
            return &text[i..];
        }
    }
    ""
}

#[test]
fn planted_violations_are_found() {
    let planted = [
        ("python/kymograph/plot/lines.py", "from kymograph.server import app"),
        ("python/kymograph/plot/lines.py", "import os, kymograph.server.app as app"),
        (
            "python/kymograph/plot/__init__.py",
            "from ..alerts import (\n    rules,  # why\n    send,\n)",
        ),
        ("python/kymograph/server/api/v1.py", "def f():\n    from ...plot.lines import draw"),
        ("python/kymograph/cli.py", "from .server import serve"),
        ("python/kymograph/adapters/csv.py", "'''doc''' ; import kymograph.cluster"),
        ("python/kymograph/adapters/csv.py", "from kymograph.cluster \\\n    import node"),
    ];
    for (path, text) in planted {
        let found = check(path, text);
        assert!(!found.violations.is_empty(), "{path}: {text}: {found:?}");
    }
}

#[test]
fn what_is_allowed_passes() {
    let fine = [
        (
            "python/kymograph/cli/main.py",
            "import kymograph as ky\nfrom kymograph import server, open",
            3,
        ),
        ("python/kymograph/plot/lines.py", "from .axes import x\nfrom kymograph.plot import y", 2),
        ("python/kymograph/plot/lines.py", "from kymograph._core import Database", 1),
        (
            "python/kymograph/__init__.py",
            "from kymograph.plot import line\nfrom . import server",
            2,
        ),
        (
            "python/kymograph/plot/lines.py",
            "\"\"\"Usage:\nfrom kymograph.server import x\n\"\"\"",
            0,
        ),
        ("python/kymograph/plot/lines.py", "# import kymograph.server\ns = 'it\\'s'", 0),
        ("python/kymograph/testing/x.py", "from kymograph.server import x", 1),
    ];
    for (path, text, imports) in fine {
        let found = check(path, text);
        assert!(found.violations.is_empty(), "{text}: {found:?}");
        assert_eq!(found.imports, imports, "{text}");
    }
}

#[test]
fn names_are_kept_with_their_module() {
    let package = ["kymograph".to_owned(), "plot".to_owned()];
    let import = |m: &str, n: &str| Import { module: dotted(m), name: Some(n.to_owned()) };
    let found = imports("from .. import a\nfrom .b import (c as d, e)", &package);
    let expected = [
        import("kymograph", "a"),
        import("kymograph.plot.b", "c"),
        import("kymograph.plot.b", "e"),
    ];
    assert_eq!(found, expected);
}

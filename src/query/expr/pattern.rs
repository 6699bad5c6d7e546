//! `LIKE` and regular expressions: constant patterns compiled once, others once a batch.

use std::sync::Arc;

use hashbrown::HashMap;
use regex::{Regex, RegexBuilder};

use super::Type;
use super::node::Node;
use super::value::collect_truths;
use crate::error::{Error, Result};

/// What makes a matcher of a pattern's text.
type Make<M> = Arc<dyn Fn(&str) -> Result<M> + Send + Sync>;

/// The matchers of an argument that holds patterns.
pub(super) struct Patterns<M> {
    fixed: Option<M>,
    make: Make<M>,
}

impl<M> Patterns<M> {
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] for a constant that is no pattern.
    pub(super) fn new(
        node: &Node,
        make: impl Fn(&str) -> Result<M> + Send + Sync + 'static,
    ) -> Result<Self> {
        let fixed = node.as_text().map(&make).transpose()?;
        Ok(Self { fixed, make: Arc::new(make) })
    }

    /// For one batch.
    pub(super) fn reader(&self) -> Reader<'_, M> {
        Reader { patterns: self, made: HashMap::new() }
    }
}

pub(super) struct Reader<'a, M> {
    patterns: &'a Patterns<M>,
    made: HashMap<String, M>,
}

impl<M> Reader<'_, M> {
    /// How many matchers of patterns that differ by row are kept.
    const KEPT: usize = 256;

    pub(super) fn get(&mut self, pattern: &str) -> Result<&M> {
        if let Some(fixed) = &self.patterns.fixed {
            return Ok(fixed);
        }
        if !self.made.contains_key(pattern) {
            if self.made.len() >= Self::KEPT {
                self.made.clear();
            }
            let made = (self.patterns.make)(pattern)?;
            self.made.insert(pattern.to_owned(), made);
        }
        self.made
            .get(pattern)
            .ok_or_else(|| Error::Internal("a compiled pattern was lost".to_owned()))
    }
}

/// A compiled regular expression.
///
/// # Errors
///
/// [`Error::InvalidArgument`] with where it goes wrong.
pub(super) fn regex(pattern: &str, with: impl Fn(&mut RegexBuilder)) -> Result<Regex> {
    let mut builder = RegexBuilder::new(pattern);
    with(&mut builder);
    builder
        .build()
        .map_err(|why| Error::invalid(format!("'{pattern}' is no regular expression: {why}")))
}

/// A `LIKE` pattern; most are searches for a text.
enum Like {
    Equal(String),
    Prefix(String),
    Suffix(String),
    Within(String),
    Regex(Regex),
}

impl Like {
    fn new(pattern: &str, fold: bool) -> Result<Self> {
        let mut regex_text = String::from("^");
        let mut plain = String::new();
        // `%` at the start, within and at the end; anything else than texts and those is a regex.
        let (mut starts, mut ends, mut simple) = (false, false, !fold);
        let mut characters = pattern.chars();
        while let Some(character) = characters.next() {
            simple &= !ends || character == '%';
            match character {
                '%' => {
                    regex_text.push_str(".*");
                    if plain.is_empty() && !ends {
                        starts = true;
                    } else {
                        ends = true;
                    }
                }
                '_' => {
                    regex_text.push('.');
                    simple = false;
                }
                other => {
                    let literal = match other {
                        '\\' => characters.next().ok_or_else(|| {
                            Error::invalid(format!(
                                "the LIKE pattern '{pattern}' ends in \\, which escapes the \
                                 character after it; write \\\\ for a backslash"
                            ))
                        })?,
                        other => other,
                    };
                    plain.push(literal);
                    regex_text.push_str(&regex::escape(literal.encode_utf8(&mut [0; 4])));
                }
            }
        }
        regex_text.push('$');
        Ok(match (simple, starts, ends) {
            (true, false, false) => Self::Equal(plain),
            (true, false, true) => Self::Prefix(plain),
            (true, true, false) => Self::Suffix(plain),
            (true, true, true) => Self::Within(plain),
            _ => Self::Regex(regex(&regex_text, |builder| {
                builder.dot_matches_new_line(true).case_insensitive(fold);
            })?),
        })
    }

    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Equal(plain) => text == plain,
            Self::Prefix(plain) => text.starts_with(plain.as_str()),
            Self::Suffix(plain) => text.ends_with(plain.as_str()),
            Self::Within(plain) => text.contains(plain.as_str()),
            Self::Regex(regex) => regex.is_match(text),
        }
    }
}

fn need_text(node: &Node, operator: &str) -> Result<()> {
    match node.ty {
        Type::Str | Type::Null => Ok(()),
        ty => Err(Error::invalid(format!(
            "{operator} takes text, not {ty}; CAST(x AS VARCHAR) writes it as text"
        ))),
    }
}

fn test<M: Send + Sync + 'static>(
    of: Node,
    pattern: Node,
    operator: &str,
    make: impl Fn(&str) -> Result<M> + Send + Sync + 'static,
    matches: impl Fn(&M, &str) -> bool + Send + Sync + 'static,
) -> Result<Node> {
    need_text(&of, operator)?;
    need_text(&pattern, operator)?;
    let patterns = Patterns::new(&pattern, make)?;
    Ok(Node::strict(Type::Bool, vec![of, pattern], move |values, rows| {
        let (of, pattern) = (values[0].texts()?, values[1].texts()?);
        let mut reader = patterns.reader();
        collect_truths(rows, |row| {
            let (Some(text), Some(pattern)) = (of.get(row), pattern.get(row)) else {
                return Ok(None);
            };
            Ok(Some(matches(reader.get(pattern)?, text)))
        })
    }))
}

/// `x LIKE pattern`, or with `fold` `ILIKE`.
pub(super) fn like(of: Node, pattern: Node, fold: bool) -> Result<Node> {
    let operator = if fold { "ILIKE" } else { "LIKE" };
    test(of, pattern, operator, move |text| Like::new(text, fold), Like::matches)
}

/// `x ~ pattern`, or with `fold` `x ~* pattern`: whether it is found in x.
pub(super) fn found(of: Node, pattern: Node, fold: bool) -> Result<Node> {
    let make = move |text: &str| {
        regex(text, |builder| {
            builder.case_insensitive(fold);
        })
    };
    test(of, pattern, if fold { "~*" } else { "~" }, make, Regex::is_match)
}

//! Functions of texts and regular expressions.

use std::borrow::Cow;

use regex::Regex;

use super::{Call, Scalar};
use crate::error::{Error, Result};
use crate::query::expr::node::Node;
use crate::query::expr::pattern::{Patterns, regex};
use crate::query::expr::value::{collect_texts, collect_truths};
use crate::query::expr::{Literal, Type};

pub(super) fn build(mut call: Call) -> Result<Node> {
    let scalar = call.scalar;
    match scalar {
        Scalar::RegexpExtract => {
            (0..2).try_for_each(|place| call.coerce(place, Type::Str))?;
            call.coerce(2, Type::Int)?;
        }
        _ => call.coerce_all(Type::Str)?,
    }
    let flags = match scalar {
        Scalar::RegexpMatches if call.has(2) => Flags::parse(&call, 2)?,
        Scalar::RegexpReplace if call.has(3) => Flags::parse(&call, 3)?,
        _ => Flags::default(),
    };
    let patterns = match call.arguments.get(1) {
        Some(pattern) => Patterns::new(pattern, move |text| flags.regex(text))?,
        None => return Err(call.unknown()),
    };
    Ok(match scalar {
        Scalar::RegexpMatches => {
            call.arguments.truncate(2);
            Node::strict(Type::Bool, call.arguments, move |values, rows| {
                let (of, pattern) = (values[0].texts()?, values[1].texts()?);
                let mut reader = patterns.reader();
                collect_truths(rows, |row| {
                    let (Some(of), Some(pattern)) = (of.get(row), pattern.get(row)) else {
                        return Ok(None);
                    };
                    Ok(Some(reader.get(pattern)?.is_match(of)))
                })
            })
        }
        Scalar::RegexpReplace => {
            call.arguments.truncate(3);
            Node::strict(Type::Str, call.arguments, move |values, rows| {
                let (of, pattern) = (values[0].texts()?, values[1].texts()?);
                let by = values[2].texts()?;
                let mut reader = patterns.reader();
                collect_texts(rows, |row| {
                    let (Some(of), Some(pattern), Some(by)) =
                        (of.get(row), pattern.get(row), by.get(row))
                    else {
                        return Ok(None);
                    };
                    let limit = if flags.all { 0 } else { 1 };
                    Ok(Some(reader.get(pattern)?.replacen(of, limit, expansion(by))))
                })
            })
        }
        _ => {
            if !call.has(2) {
                call.arguments.push(Node::constant(Literal::Int(0)));
            }
            Node::strict(Type::Str, call.arguments, move |values, rows| {
                let (of, pattern) = (values[0].texts()?, values[1].texts()?);
                let group = values[2].longs()?;
                let mut reader = patterns.reader();
                collect_texts(rows, |row| {
                    let (Some(of), Some(pattern), Some(group)) =
                        (of.get(row), pattern.get(row), group.get(row))
                    else {
                        return Ok(None);
                    };
                    let group = usize::try_from(group).map_err(|_| {
                        Error::invalid(format!(
                            "regexp_extract has no group {group}; 0 is the \
                                                whole match, 1 the first group"
                        ))
                    })?;
                    let found = reader.get(pattern)?.captures(of).and_then(|c| c.get(group));
                    Ok(Some(found.map_or(Cow::Borrowed(""), |found| Cow::Borrowed(found.as_str()))))
                })
            })
        }
    })
}

/// The replacement in the form of the `regex` crate: `\1` as `${1}`, and `$` for itself.
fn expansion(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '$' => out.push_str("$$"),
            '\\' => match characters.next() {
                Some(digit) if digit.is_ascii_digit() => {
                    out.push_str("${");
                    out.push(digit);
                    out.push('}');
                }
                Some('$') => out.push_str("$$"),
                Some(other) => out.push(other),
                None => out.push('\\'),
            },
            other => out.push(other),
        }
    }
    out
}

/// How a pattern is read.
#[derive(Clone, Copy, Default)]
struct Flags {
    fold: bool,
    literal: bool,
    lines: bool,
    dot_all: bool,
    all: bool,
}

impl Flags {
    fn parse(call: &Call, place: usize) -> Result<Self> {
        let mut flags = Self::default();
        for flag in call.word(place, "flags")?.chars() {
            match flag {
                'c' => flags.fold = false,
                'i' => flags.fold = true,
                'l' => flags.literal = true,
                'm' => flags.lines = true,
                's' => flags.dot_all = true,
                'g' if call.scalar == Scalar::RegexpReplace => flags.all = true,
                _ => {
                    return Err(call.wrong(
                        place,
                        "any of 'c' (case matters), 'i' (it does not), 'l' (a literal text), 'm' \
                         (^ and $ at lines), 's' (. matches line ends) and, in regexp_replace, \
                         'g' (all matches)",
                    ));
                }
            }
        }
        Ok(flags)
    }

    fn regex(self, pattern: &str) -> Result<Regex> {
        let pattern =
            if self.literal { Cow::Owned(regex::escape(pattern)) } else { Cow::Borrowed(pattern) };
        regex(&pattern, |builder| {
            builder
                .case_insensitive(self.fold)
                .multi_line(self.lines)
                .dot_matches_new_line(self.dot_all);
        })
    }
}

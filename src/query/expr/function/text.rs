//! Functions of texts, by characters.

use std::borrow::Cow;

use super::call::{Row, views};
use super::{Call, Scalar};
use crate::error::{Error, Result};
use crate::query::expr::cast::cast;
use crate::query::expr::node::Node;
use crate::query::expr::value::collect_texts;
use crate::query::expr::{Literal, Type};

/// What no text may be longer than, in bytes; `repeat` and the paddings could ask for more.
const LONGEST: usize = 1 << 28;

pub(super) fn build(mut call: Call) -> Result<Node> {
    let scalar = call.scalar;
    if let Scalar::Concat | Scalar::ConcatWs = scalar {
        return concat(call);
    }
    call.coerce(0, Type::Str)?;
    match scalar {
        Scalar::Substr => (1..3).try_for_each(|place| call.coerce(place, Type::Int))?,
        Scalar::Left | Scalar::Right | Scalar::Repeat | Scalar::LPad | Scalar::RPad => {
            call.coerce(1, Type::Int)?;
            call.coerce(2, Type::Str)?;
        }
        Scalar::SplitPart => {
            call.coerce(1, Type::Str)?;
            call.coerce(2, Type::Int)?;
        }
        _ => call.coerce_all(Type::Str)?,
    }
    let mut or_space = |place: usize| {
        if !call.has(place) {
            call.arguments.push(Node::constant(Literal::Str(" ".to_owned())));
        }
    };
    match scalar {
        Scalar::Trim | Scalar::LTrim | Scalar::RTrim => or_space(1),
        Scalar::LPad | Scalar::RPad => or_space(2),
        _ => {}
    }
    Ok(match scalar {
        Scalar::Lower => call.texts(|row| owned(row.text(0)?.to_lowercase())),
        Scalar::Upper => call.texts(|row| owned(row.text(0)?.to_uppercase())),
        Scalar::Reverse => call.texts(|row| owned(row.text(0)?.chars().rev().collect())),
        Scalar::Length => call.longs(Type::Int, |row| Ok(Some(characters(row.text(0)?)))),
        Scalar::OctetLength => call.longs(Type::Int, |row| Ok(Some(row.text(0)?.len() as i64))),
        Scalar::Trim => call.texts(|row| {
            let set = row.text(1)?;
            borrowed(row.text(0)?.trim_matches(|c| set.contains(c)))
        }),
        Scalar::LTrim => call.texts(|row| {
            let set = row.text(1)?;
            borrowed(row.text(0)?.trim_start_matches(|c| set.contains(c)))
        }),
        Scalar::RTrim => call.texts(|row| {
            let set = row.text(1)?;
            borrowed(row.text(0)?.trim_end_matches(|c| set.contains(c)))
        }),
        Scalar::Substr if call.has(2) => {
            call.texts(|row| borrowed(substr(row.text(0)?, row.long(1)?, Some(row.long(2)?))))
        }
        Scalar::Substr => call.texts(|row| borrowed(substr(row.text(0)?, row.long(1)?, None))),
        Scalar::Left => call.texts(|row| {
            let (text, count) = (row.text(0)?, row.long(1)?);
            let end = if count < 0 { characters(text).saturating_add(count) } else { count };
            borrowed(&text[..offset(text, end)])
        }),
        Scalar::Right => call.texts(|row| {
            let (text, count) = (row.text(0)?, row.long(1)?);
            let skipped = match count {
                ..0 => count.saturating_neg(),
                _ => characters(text).saturating_sub(count),
            };
            borrowed(&text[offset(text, skipped)..])
        }),
        Scalar::Replace => call.texts(|row| match row.text(1)? {
            "" => borrowed(row.text(0)?),
            from => owned(row.text(0)?.replace(from, row.text(2)?)),
        }),
        Scalar::StartsWith => call.truths(|row| Ok(Some(row.text(0)?.starts_with(row.text(1)?)))),
        Scalar::EndsWith => call.truths(|row| Ok(Some(row.text(0)?.ends_with(row.text(1)?)))),
        Scalar::Contains => call.truths(|row| Ok(Some(row.text(0)?.contains(row.text(1)?)))),
        Scalar::Strpos => call.longs(Type::Int, |row| {
            let text = row.text(0)?;
            Ok(Some(text.find(row.text(1)?).map_or(0, |at| characters(&text[..at]) + 1)))
        }),
        Scalar::SplitPart => {
            call.texts(|row| borrowed(piece(row.text(0)?, row.text(1)?, row.long(2)?)))
        }
        Scalar::Repeat => call.texts(|row| {
            let text = row.text(0)?;
            let count = usize::try_from(row.long(1)?.max(0)).unwrap_or(usize::MAX);
            match text.len().checked_mul(count) {
                Some(length) if length <= LONGEST => owned(text.repeat(count)),
                _ => Err(too_long(Scalar::Repeat)),
            }
        }),
        Scalar::LPad => call.texts(|row| pad(row, Scalar::LPad)),
        Scalar::RPad => call.texts(|row| pad(row, Scalar::RPad)),
        _ => return Err(call.unknown()),
    })
}

fn owned<'a>(text: String) -> Result<Option<Cow<'a, str>>> {
    Ok(Some(Cow::Owned(text)))
}

fn borrowed(text: &str) -> Result<Option<Cow<'_, str>>> {
    Ok(Some(Cow::Borrowed(text)))
}

fn too_long(scalar: Scalar) -> Error {
    Error::LimitExceeded(format!("{} would make a text of over 256 MiB", scalar.signature()))
}

fn characters(text: &str) -> i64 {
    text.chars().count() as i64
}

/// Where a character begins, counted from 0; 0 of a negative one, the end past the last.
fn offset(text: &str, character: i64) -> usize {
    match usize::try_from(character) {
        Ok(character) => text.char_indices().nth(character).map_or(text.len(), |(at, _)| at),
        Err(_) => 0,
    }
}

/// The characters from `start` on, counted from 1, of a negative one from the end; `length` of
/// them, of a negative one those before it.
fn substr(text: &str, start: i64, length: Option<i64>) -> &str {
    let first = if start < 0 { characters(text).saturating_add(start) } else { start - 1 };
    let (from, to) = match length {
        None => (first, i64::MAX),
        Some(length) if length < 0 => (first.saturating_add(length), first),
        Some(length) => (first, first.saturating_add(length)),
    };
    let (from, to) = (offset(text, from), offset(text, to));
    if from < to { &text[from..to] } else { "" }
}

/// The piece of a place, from 1, or from the end when negative; without a separator there is one
/// piece for each character.
fn piece<'a>(text: &'a str, separator: &str, place: i64) -> &'a str {
    if separator.is_empty() {
        return match place {
            0 => "",
            _ => substr(text, place, Some(1)),
        };
    }
    let nth = |place: u64| usize::try_from(place - 1).unwrap_or(usize::MAX);
    let found = match place {
        0 => None,
        1.. => text.split(separator).nth(nth(place.unsigned_abs())),
        _ => text.rsplit(separator).nth(nth(place.unsigned_abs())),
    };
    found.unwrap_or_default()
}

/// Text cut or filled up to so many characters.
fn pad<'a>(row: &Row<'a, '_>, scalar: Scalar) -> Result<Option<Cow<'a, str>>> {
    let (text, length, fill) = (row.text(0)?, row.long(1)?.max(0), row.text(2)?);
    let missing = length.saturating_sub(characters(text));
    if missing <= 0 {
        return borrowed(&text[..offset(text, length)]);
    }
    if fill.is_empty() {
        return Err(Error::invalid(format!("{} has nothing to fill with", scalar.signature())));
    }
    let missing = usize::try_from(missing).unwrap_or(usize::MAX);
    if missing > LONGEST / 4 {
        return Err(too_long(scalar));
    }
    let filling: String = fill.chars().cycle().take(missing).collect();
    owned(match scalar {
        Scalar::LPad => filling + text,
        _ => text.to_owned() + &filling,
    })
}

/// Any value as text.
fn texts(arguments: Vec<Node>) -> Result<Vec<Node>> {
    arguments.into_iter().map(|node| cast(node, Type::Str, false)?.fold()).collect()
}

/// `a || b`: null when either is.
pub(in crate::query::expr) fn join(a: Node, b: Node) -> Result<Node> {
    Ok(Node::strict(Type::Str, texts(vec![a, b])?, |values, rows| {
        let (a, b) = (values[0].texts()?, values[1].texts()?);
        collect_texts(rows, |row| {
            Ok(a.get(row).zip(b.get(row)).map(|(a, b)| Cow::Owned([a, b].concat())))
        })
    }))
}

/// `concat` and `concat_ws`: nulls are left out, but a null separator makes null.
fn concat(call: Call) -> Result<Node> {
    let separated = call.scalar == Scalar::ConcatWs;
    let arguments = texts(call.arguments)?;
    if separated && arguments.first().is_some_and(Node::is_null) {
        return Ok(Node::null(Type::Str));
    }
    Ok(Node::apply(Type::Str, arguments, move |values, rows| {
        let views = views(values)?;
        let (separator, rest) = if separated { views.split_at(1) } else { views.split_at(0) };
        collect_texts(rows, |row| {
            let between = match separator.first() {
                None => "",
                Some(separator) => match separator.text(row) {
                    None => return Ok(None),
                    Some(separator) => separator,
                },
            };
            let texts: Vec<&str> = rest.iter().filter_map(|view| view.text(row)).collect();
            Ok(Some(Cow::Owned(texts.join(between))))
        })
    }))
}

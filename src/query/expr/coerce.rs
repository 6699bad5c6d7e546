//! Where values of several types meet: the type that they share, and how each comes to it.

use super::cast::cast;
use super::instant;
use super::node::Node;
use super::{Interval, Literal, Type};
use crate::error::{Error, Result};

/// The type in which the values can stand side by side: that of all; of numbers and truth values
/// the widest; of constant texts beside others, that of the others.
///
/// # Errors
///
/// [`Error::InvalidArgument`] naming two types that do not meet.
pub(super) fn common(nodes: &[&Node]) -> Result<Type> {
    let mut shared = None;
    for node in nodes.iter().filter(|node| node.as_text().is_none() && node.ty != Type::Null) {
        shared = Some(match shared {
            None => node.ty,
            Some(shared) => meet(shared, node.ty)?,
        });
    }
    Ok(match shared {
        Some(shared) => shared,
        None if nodes.iter().any(|node| node.as_text().is_some()) => Type::Str,
        None => Type::Null,
    })
}

fn meet(a: Type, b: Type) -> Result<Type> {
    use Type::{Bool, Float, Int, Other};
    match (a, b) {
        (Other, _) | (_, Other) => {
            Err(Error::invalid("lists can only be selected, or tested with IS NULL".to_owned()))
        }
        (a, b) if a == b => Ok(a),
        (Int, Float) | (Float, Int) | (Bool, Float) | (Float, Bool) => Ok(Float),
        (Int, Bool) | (Bool, Int) => Ok(Int),
        (a, b) => Err(Error::invalid(format!("{a} and {b} do not meet; CAST one of them"))),
    }
}

/// The node as one of the type.
///
/// # Errors
///
/// [`Error::InvalidArgument`] where it cannot be without a CAST, or a text does not read as one.
pub(super) fn coerce(node: Node, to: Type) -> Result<Node> {
    if node.ty == to {
        return Ok(node);
    }
    if node.is_null() {
        return Ok(Node::null(to));
    }
    if let Some(text) = node.as_text() {
        return read(text, to).map(Node::constant);
    }
    match (node.ty, to) {
        (Type::Int, Type::Float) | (Type::Bool, Type::Int | Type::Float) => {
            cast(node, to, false)?.fold()
        }
        (from, to) => Err(Error::invalid(format!("{from} where {to} is expected; CAST it"))),
    }
}

/// A constant text as a value of the type.
pub(super) fn read(text: &str, to: Type) -> Result<Literal> {
    let found = match to {
        Type::Str => Some(Literal::Str(text.to_owned())),
        Type::Bool => instant::parse_bool(text).map(Literal::Bool),
        Type::Int => instant::parse_int(text).map(Literal::Int),
        Type::Float => instant::parse_float(text).map(Literal::Float),
        Type::Time => return instant::parse(text).map(Literal::Time),
        Type::Interval => return Interval::parse(text).map(Literal::Interval),
        Type::Null | Type::Other => None,
    };
    found.ok_or_else(|| Error::invalid(format!("'{text}' cannot be read as {to}")))
}

//! `AND`, `OR`, `NOT` and `IS NULL`, in three values.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, BooleanArray};
use arrow_buffer::{BooleanBuffer, NullBuffer};

use super::node::{Kind, Node};
use super::value::Value;
use super::{Literal, Operator, Type};
use crate::error::{Error, Result};

fn condition(node: &Node, operator: &str) -> Result<()> {
    match node.ty {
        Type::Bool | Type::Null => Ok(()),
        ty => Err(Error::invalid(format!(
            "{operator} takes conditions, not {ty}; compare it with something"
        ))),
    }
}

/// `AND` or `OR`: null unless one side alone decides.
pub(super) fn connect(a: Node, operator: Operator, b: Node) -> Result<Node> {
    condition(&a, operator.sign())?;
    condition(&b, operator.sign())?;
    // What decides alone: false for AND, true for OR.
    let decides = operator == Operator::Or;
    for (side, other) in [(&a, &b), (&b, &a)] {
        match side.as_constant() {
            Some(Literal::Bool(value)) if *value == decides => return Ok(side.clone()),
            Some(Literal::Bool(_)) if other.ty == Type::Bool => return Ok(other.clone()),
            _ => {}
        }
    }
    Ok(Node::apply(Type::Bool, vec![a, b], move |values, rows| {
        let side = |value: &Value| -> Result<BooleanArray> {
            Ok(value.clone().into_array(Type::Bool, rows)?.as_boolean().clone())
        };
        let (a, b) = (side(&values[0])?, side(&values[1])?);
        Ok(Value::Many(Arc::new(kleene(&a, &b, decides))))
    }))
}

/// Of each side, the rows that are valid and decide, and those that are null, make the whole.
fn kleene(a: &BooleanArray, b: &BooleanArray, decides: bool) -> BooleanArray {
    let values = if decides { a.values() | b.values() } else { a.values() & b.values() };
    if a.nulls().is_none() && b.nulls().is_none() {
        return BooleanArray::new(values, None);
    }
    let valid = |side: &BooleanArray| {
        side.nulls().map_or_else(|| BooleanBuffer::new_set(side.len()), |n| n.inner().clone())
    };
    let deciding = |side: &BooleanArray, valid: &BooleanBuffer| {
        if decides { side.values() & valid } else { &!side.values() & valid }
    };
    let (valid_a, valid_b) = (valid(a), valid(b));
    let decided = &deciding(a, &valid_a) | &deciding(b, &valid_b);
    let known = &(&valid_a & &valid_b) | &decided;
    let values = if decides { decided } else { !&decided };
    BooleanArray::new(values, Some(NullBuffer::new(known)))
}

/// `NOT x`
pub(super) fn not(of: Node) -> Result<Node> {
    condition(&of, "NOT")?;
    Ok(Node::strict(Type::Bool, vec![of], |values, rows| {
        let of = values[0].clone().into_array(Type::Bool, rows)?;
        let of = of.as_boolean();
        Ok(Value::Many(Arc::new(BooleanArray::new(!of.values(), of.nulls().cloned()))))
    }))
}

/// `x IS NULL`, of any type.
pub(super) fn is_null(of: Node) -> Node {
    if let Kind::Constant(literal) = &of.kind {
        return Node::constant(Literal::Bool(*literal == Literal::Null));
    }
    Node::apply(Type::Bool, vec![of], |values, rows| {
        Ok(match &values[0] {
            Value::One(literal) => Value::One(Literal::Bool(*literal == Literal::Null)),
            Value::Many(array) => {
                let nulls = array
                    .logical_nulls()
                    .map_or_else(|| BooleanBuffer::new_unset(rows), |nulls| !nulls.inner());
                Value::Many(Arc::new(BooleanArray::new(nulls, None)))
            }
        })
    })
}

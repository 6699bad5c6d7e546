//! `CASE` and `COALESCE`: each branch is evaluated for the rows that reach it, and no others.

use arrow_array::{Array, ArrayRef, new_null_array};
use arrow_buffer::BooleanBuffer;
use arrow_select::interleave::interleave;

use super::Type;
use super::evaluate::Table;
use super::node::Node;
use super::value::{Value, internal};
use crate::error::Result;

/// Rows of branches, gathered in any order.
struct Picks {
    ty: Type,
    /// The first is one null, for rows that no branch takes.
    parts: Vec<ArrayRef>,
    /// Of each row, the part and the place in it.
    picks: Vec<(usize, usize)>,
}

impl Picks {
    fn new(ty: Type, rows: usize) -> Self {
        Self { ty, parts: vec![new_null_array(&ty.arrow(), 1)], picks: vec![(0, 0); rows] }
    }

    /// Takes a branch's values for the rows listed.
    fn take(&mut self, value: Value, rows: impl Iterator<Item = usize>) -> Result<()> {
        let part = self.parts.len();
        let one = matches!(value, Value::One(_));
        self.parts.push(value.into_array(self.ty, 1)?);
        for (place, row) in rows.enumerate() {
            self.picks[row] = (part, if one { 0 } else { place });
        }
        Ok(())
    }

    fn finish(self) -> Result<Value> {
        let parts: Vec<&dyn Array> = self.parts.iter().map(|part| &**part).collect();
        Ok(Value::Many(interleave(&parts, &self.picks).map_err(internal)?))
    }
}

/// The rows of `left` that are set.
fn those<'a>(left: &'a [usize], set: &'a BooleanBuffer) -> impl Iterator<Item = usize> + 'a {
    set.set_indices().map(|place| left[place])
}

impl Node {
    pub(super) fn case(
        &self,
        whens: &[(Self, Self)],
        otherwise: &Self,
        table: &Table,
    ) -> Result<Value> {
        let mut picks = Picks::new(self.ty, table.rows);
        let mut left: Vec<usize> = (0..table.rows).collect();
        let mut rest = table.clone();
        for (place, (condition, value)) in whens.iter().enumerate() {
            let truth = condition.truth(&rest)?;
            if truth.count_set_bits() == 0 {
                continue;
            }
            let taken = rest.filtered(&truth, &[value])?;
            picks.take(value.value(&taken)?, those(&left, &truth))?;
            let not = !&truth;
            let later: Vec<&Self> =
                whens[place + 1..].iter().flat_map(|(a, b)| [a, b]).chain([otherwise]).collect();
            rest = rest.filtered(&not, &later)?;
            left = those(&left, &not).collect();
        }
        if !left.is_empty() {
            picks.take(otherwise.value(&rest)?, left.into_iter())?;
        }
        picks.finish()
    }

    pub(super) fn coalesce(&self, nodes: &[Self], table: &Table) -> Result<Value> {
        let mut picks = Picks::new(self.ty, table.rows);
        let mut left: Vec<usize> = (0..table.rows).collect();
        let mut rest = table.clone();
        for (place, node) in nodes.iter().enumerate() {
            let value = node.value(&rest)?;
            let nulls = match &value {
                Value::One(_) => None,
                Value::Many(array) => array.nulls().filter(|n| n.null_count() > 0).cloned(),
            };
            match (nulls, &value) {
                (None, Value::Many(array)) if place == 0 => {
                    return Ok(Value::Many(ArrayRef::clone(array)));
                }
                (None, _) => {
                    picks.take(value, left.into_iter())?;
                    break;
                }
                (Some(nulls), _) => {
                    picks.take(value, left.iter().copied())?;
                    let null = !nulls.inner();
                    let later: Vec<&Self> = nodes[place + 1..].iter().collect();
                    rest = rest.filtered(&null, &later)?;
                    left = those(&left, &null).collect();
                }
            }
        }
        picks.finish()
    }
}

//! Expressions over columns of Arrow.

use std::fmt;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_array::{Array, ArrayRef, LargeStringArray, UInt32Array};
use arrow_buffer::BooleanBuffer;
use arrow_cast::cast;
use arrow_schema::DataType;
use arrow_select::concat::concat;
use arrow_select::filter::FilterBuilder;
use arrow_select::take::take;

use super::compile::compile;
use super::node::{Kind, Node};
use super::value::{Truths, Value, internal};
use super::{Expr, Literal, Type};
use crate::error::{Error, Result};

/// An expression that was checked against the columns, ready for any number of batches.
#[derive(Clone)]
pub struct Evaluator {
    node: Node,
    columns: Vec<(String, Type)>,
    reads: Vec<usize>,
}

impl fmt::Debug for Evaluator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Evaluator").field("ty", &self.node.ty).finish_non_exhaustive()
    }
}

impl Evaluator {
    /// Checks names and types, prepares constants and regular expressions, folds what is constant.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] for a column that there is not; [`Error::InvalidArgument`] for types
    /// that do not meet, texts that are no times, and constants that overflow.
    pub fn new(expr: &Expr, columns: &[(String, Type)]) -> Result<Self> {
        let node = compile(expr, columns)?;
        let reads = node.reads();
        Ok(Self { node, columns: columns.to_vec(), reads })
    }

    /// The type of the values.
    pub fn ty(&self) -> Type {
        self.node.ty
    }

    /// The value when it is the same for all rows.
    pub fn constant(&self) -> Option<Literal> {
        self.node.as_constant().cloned()
    }

    /// One value a row. `columns` stand in the order given to `new`; `rows` is their length, also
    /// when there are none. Texts come as `LargeUtf8`, but for a column that is only passed on.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] where a row's values cannot be computed: overflow, a cast.
    pub fn evaluate(&self, columns: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        let table = self.table(columns, rows)?;
        if let Kind::Column(place) = self.node.kind {
            return Ok(Arc::clone(&table.columns[place]));
        }
        self.node.value(&table)?.into_array(self.node.ty, rows)
    }

    /// The rows for which the expression is true; null counts as not.
    ///
    /// # Errors
    ///
    /// As [`Self::evaluate`]; [`Error::InvalidArgument`] when it is no truth value.
    pub fn filter(&self, columns: &[ArrayRef], rows: usize) -> Result<BooleanBuffer> {
        if !matches!(self.node.ty, Type::Bool | Type::Null) {
            return Err(Error::invalid(format!(
                "a condition is BOOLEAN, and this is {}; compare it with something",
                self.node.ty
            )));
        }
        self.node.truth(&self.table(columns, rows)?)
    }

    fn table(&self, columns: &[ArrayRef], rows: usize) -> Result<Table> {
        if columns.len() != self.columns.len() {
            return Err(Error::Internal(format!(
                "an expression over {} columns was given {}",
                self.columns.len(),
                columns.len()
            )));
        }
        let mut columns = columns.to_vec();
        for &place in &self.reads {
            let (name, ty) = &self.columns[place];
            let column = &mut columns[place];
            if Type::of(column.data_type()) != *ty || column.len() != rows {
                return Err(Error::Internal(format!(
                    "column {name:?} was to be {rows} values of {ty}, and is {} of {}",
                    column.len(),
                    column.data_type()
                )));
            }
            let keep = *ty == Type::Other || column.as_dictionary_opt::<UInt32Type>().is_some();
            if !keep && *column.data_type() != ty.arrow() {
                *column = widened(column, *ty, name)?;
            }
        }
        Ok(Table { columns, rows })
    }
}

/// A column of the type's own Arrow type.
fn widened(column: &ArrayRef, ty: Type, name: &str) -> Result<ArrayRef> {
    let wide = cast(column, &ty.arrow()).map_err(internal)?;
    if wide.null_count() > column.logical_null_count() {
        return Err(Error::invalid(format!(
            "column {name:?} ({}) holds values that {ty} cannot",
            column.data_type()
        )));
    }
    Ok(wide)
}

/// The columns that an expression reads, and how many rows there are.
#[derive(Clone)]
pub(super) struct Table {
    pub(super) columns: Vec<ArrayRef>,
    pub(super) rows: usize,
}

impl Table {
    /// The rows that are set, of the columns that the nodes read.
    pub(super) fn filtered(&self, rows: &BooleanBuffer, nodes: &[&Node]) -> Result<Self> {
        let count = rows.count_set_bits();
        if count == self.rows {
            return Ok(self.clone());
        }
        let predicate = FilterBuilder::new(&rows.clone().into()).build();
        let mut columns = self.columns.clone();
        let mut done = vec![false; columns.len()];
        for place in nodes.iter().flat_map(|node| node.reads()) {
            if !std::mem::replace(&mut done[place], true) {
                columns[place] = predicate.filter(&columns[place]).map_err(internal)?;
            }
        }
        Ok(Self { columns, rows: count })
    }

    fn replaced(&self, place: usize, column: ArrayRef) -> Self {
        let mut columns = self.columns.clone();
        let rows = column.len();
        columns[place] = column;
        Self { columns, rows }
    }
}

impl Node {
    /// The values; texts are never a dictionary here.
    pub(super) fn value(&self, table: &Table) -> Result<Value> {
        match &self.kind {
            Kind::Constant(literal) => Ok(Value::One(literal.clone())),
            Kind::Column(place) => Ok(Value::Many(plain(&table.columns[*place])?)),
            Kind::Apply(kernel, nodes) => {
                let values: Vec<Value> =
                    nodes.iter().map(|node| node.value(table)).collect::<Result<_>>()?;
                kernel(&values, table.rows)
            }
            Kind::Case(whens, otherwise) => self.case(whens, otherwise, table),
            Kind::Coalesce(nodes) => self.coalesce(nodes, table),
            Kind::Spread(place, inner) => spread(*place, inner, table),
        }
    }

    /// The rows for which it is true.
    pub(super) fn truth(&self, table: &Table) -> Result<BooleanBuffer> {
        let value = self.value(table)?;
        Ok(match value.truths()? {
            Truths::One(one) => match one {
                Some(true) => BooleanBuffer::new_set(table.rows),
                _ => BooleanBuffer::new_unset(table.rows),
            },
            Truths::Many(array) => match array.nulls() {
                Some(nulls) => array.values() & nulls.inner(),
                None => array.values().clone(),
            },
        })
    }
}

/// A dictionary as the texts that its keys stand for.
fn plain(column: &ArrayRef) -> Result<ArrayRef> {
    match column.data_type() {
        DataType::Dictionary(..) => cast(column, &DataType::LargeUtf8).map_err(internal),
        _ => Ok(Arc::clone(column)),
    }
}

fn spread(place: usize, inner: &Node, table: &Table) -> Result<Value> {
    let column = &table.columns[place];
    let Some(dictionary) = column.as_dictionary_opt::<UInt32Type>() else {
        return inner.value(table);
    };
    let (keys, values) = (dictionary.keys(), dictionary.values());
    if values.len() >= table.rows {
        return inner.value(table);
    }
    let values = cast(values, &DataType::LargeUtf8).map_err(internal)?;
    let (keys, values) = match keys.nulls() {
        Some(nulls) if nulls.null_count() > 0 => {
            let none = LargeStringArray::new_null(1);
            let last = u32::try_from(values.len())
                .map_err(|_| Error::LimitExceeded("a dictionary of over 2^32 values".to_owned()))?;
            let keys = keys.values().iter().zip(nulls.iter());
            let keys = keys.map(|(&key, valid)| if valid { key } else { last });
            let with_null = concat(&[&*values, &none]).map_err(internal)?;
            (UInt32Array::from_iter_values(keys), with_null)
        }
        _ => (keys.clone(), values),
    };
    match inner.value(&table.replaced(place, values)) {
        Ok(Value::One(literal)) => Ok(Value::One(literal)),
        Ok(Value::Many(array)) => Ok(Value::Many(take(&array, &keys, None).map_err(internal)?)),
        // The fault may be a value's that no row has.
        Err(_) => inner.value(table),
    }
}

//! What expressions over the rows of a table see: `time`, and the tags and fields that they name.

use std::sync::Arc;

use arrow_array::types::UInt32Type;
use arrow_array::{Array, ArrayRef, DictionaryArray, StringArray, UInt32Array};
use arrow_buffer::ScalarBuffer;

use super::expr::{Evaluator, Expr, Type};
use crate::error::{Error, Result};
use crate::model::{FieldType, SeriesKey, TableSchema};

/// The columns that some expressions read: `time`, tags, fields, in that order.
#[derive(Debug)]
pub(crate) struct Inputs {
    /// Positions in the table, ascending.
    pub(crate) tags: Vec<usize>,
    /// Ids, ascending.
    pub(crate) fields: Vec<usize>,
    /// Of the fields.
    types: Vec<FieldType>,
    columns: Vec<(String, Type)>,
}

impl Inputs {
    /// Of all of `exprs` together.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a column that the table lacks.
    pub(crate) fn of<'a>(
        schema: &TableSchema,
        exprs: impl Iterator<Item = &'a Expr>,
    ) -> Result<Self> {
        let (mut tags, mut fields) = (Vec::new(), Vec::new());
        for name in exprs.flat_map(Expr::columns) {
            if let Some(tag) = schema.tags.iter().position(|tag| tag == name) {
                tags.push(tag);
            } else if let Some(field) = schema.field_id(name) {
                fields.push(field);
            } else if name != "time" {
                let known = schema.fields.iter().map(|field| field.name.as_str());
                let known = known.chain(schema.tags.iter().map(String::as_str)).chain(["time"]);
                return Err(Error::unknown("column", name, known));
            }
        }
        for places in [&mut tags, &mut fields] {
            places.sort_unstable();
            places.dedup();
        }
        let mut columns = vec![("time".to_owned(), Type::Time)];
        columns.extend(tags.iter().map(|&tag| (schema.tags[tag].clone(), Type::Str)));
        columns.extend(fields.iter().map(|&field| {
            let field = &schema.fields[field];
            (field.name.clone(), field.ty.into())
        }));
        let types = fields.iter().map(|&field| schema.fields[field].ty).collect();
        Ok(Self { tags, fields, types, columns })
    }

    /// An expression ready for what [`Self::arrays`] gives.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for types that do not meet.
    pub(crate) fn evaluator(&self, expr: &Expr) -> Result<Evaluator> {
        Evaluator::new(expr, &self.columns)
    }

    /// The columns of rows of one series; `field` gives those of fields, by id and type.
    ///
    /// # Errors
    /// As `field`.
    pub(crate) fn arrays(
        &self,
        key: &SeriesKey,
        times: ArrayRef,
        mut field: impl FnMut(usize, FieldType) -> Result<ArrayRef>,
    ) -> Result<Vec<ArrayRef>> {
        let rows = times.len();
        let mut arrays = vec![times];
        for &tag in &self.tags {
            arrays.push(repeated(key.tags.get(tag).and_then(Option::as_deref), rows)?);
        }
        for (&id, &ty) in self.fields.iter().zip(&self.types) {
            arrays.push(field(id, ty)?);
        }
        Ok(arrays)
    }
}

/// One text, or null, in every row.
fn repeated(value: Option<&str>, rows: usize) -> Result<ArrayRef> {
    let keys = match value {
        Some(_) => UInt32Array::new(ScalarBuffer::from(vec![0; rows]), None),
        None => UInt32Array::new_null(rows),
    };
    let values = StringArray::from_iter_values([value.unwrap_or_default()]);
    DictionaryArray::<UInt32Type>::try_new(keys, Arc::new(values))
        .map(|array| Arc::new(array) as ArrayRef)
        .map_err(|e| Error::Internal(e.to_string()))
}

//! What becomes of the rows of a result: which stay, what is made of them, in which order.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_ord::ord::{DynComparator, make_comparator};
use arrow_row::{RowConverter, SortField};
use arrow_schema::{DataType, Field, Schema, SortOptions};
use arrow_select::filter::filter_record_batch;
use arrow_select::take::take;
use hashbrown::HashSet;

use crate::error::{Error, Result};
use crate::query::Finish;
use crate::query::expr::{Evaluator, Type};

/// A [`Finish`] that was checked against the columns of a result.
#[derive(Debug)]
pub(crate) struct Finisher {
    having: Option<Evaluator>,
    select: Option<Vec<(String, Evaluator)>>,
    distinct: bool,
    /// Over the columns that `select` makes and then those of the result that it does not hide.
    order: Vec<(Evaluator, SortOptions)>,
    visible: Vec<usize>,
    offset: usize,
    limit: Option<usize>,
}

impl Finisher {
    /// Checks names and types.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a column that there is not, [`Error::InvalidArgument`] for a
    /// condition that is none.
    pub(crate) fn new(finish: &Finish, schema: &Schema) -> Result<Self> {
        let own: Vec<(String, Type)> = schema
            .fields()
            .iter()
            .map(|field| (field.name().clone(), Type::of(field.data_type())))
            .collect();
        let having = finish
            .having
            .as_ref()
            .map(|expr| Evaluator::new(expr, &own).map_err(|e| e.within("having")))
            .transpose()?;
        if let Some(having) = &having
            && !matches!(having.ty(), Type::Bool | Type::Null)
        {
            return Err(Error::invalid(format!(
                "having must be true or false, and this one is {}",
                having.ty().name()
            )));
        }
        let select = finish.select.as_ref().map(|select| {
            let each =
                select.iter().map(|(name, expr)| Ok((name.clone(), Evaluator::new(expr, &own)?)));
            each.collect::<Result<Vec<_>>>()
        });
        let select = select.transpose()?;
        let (mut known, mut visible): (Vec<(String, Type)>, Vec<usize>) = match &select {
            Some(select) => (select.iter().map(|(n, e)| (n.clone(), e.ty())).collect(), vec![]),
            None => (Vec::new(), Vec::new()),
        };
        for (at, (name, ty)) in own.iter().enumerate() {
            if !known.iter().any(|(hidden, _)| hidden == name) {
                known.push((name.clone(), *ty));
                visible.push(at);
            }
        }
        let order = finish.order.iter().map(|by| {
            let evaluator = Evaluator::new(&by.by, &known).map_err(|e| e.within("order"))?;
            if evaluator.ty() == Type::Other {
                return Err(Error::invalid("order: lists have no order"));
            }
            let (descending, nulls_first) = (by.descending, by.nulls_first);
            Ok((evaluator, SortOptions { descending, nulls_first }))
        });
        let order = order.collect::<Result<_>>()?;
        let Finish { distinct, offset, limit, .. } = *finish;
        Ok(Self { having, select, distinct, order, visible, offset, limit })
    }

    /// The rows that are left, in their order.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] where an expression fails on a row.
    pub(crate) fn apply(&self, mut batch: RecordBatch) -> Result<RecordBatch> {
        if let Some(having) = &self.having {
            let kept = having.filter(batch.columns(), batch.num_rows())?;
            if kept.count_set_bits() < batch.num_rows() {
                let kept = BooleanArray::new(kept, None);
                batch = filter_record_batch(&batch, &kept).map_err(internal)?;
            }
        }
        let mut made = match &self.select {
            None => batch.clone(),
            Some(select) => selected(select, &batch)?,
        };
        if self.distinct {
            let first = first_of_each(&made)?;
            if first.len() < made.num_rows() {
                let rows = UInt32Array::from(first);
                (made, batch) = (taken(&made, &rows)?, taken(&batch, &rows)?);
            }
        }
        let rows = made.num_rows();
        let to = self.limit.map_or(rows, |limit| self.offset.saturating_add(limit).min(rows));
        let from = self.offset.min(to);
        if self.order.is_empty() || rows == 0 {
            return Ok(made.slice(from, to - from));
        }
        let mut known: Vec<ArrayRef> = match &self.select {
            Some(_) => made.columns().to_vec(),
            None => Vec::new(),
        };
        known.extend(self.visible.iter().map(|&at| Arc::clone(batch.column(at))));
        let order = self.sorted(&known, rows, to)?;
        taken(&made, &UInt32Array::from(order[from..].to_vec()))
    }

    /// The first `count` rows in order.
    fn sorted(&self, known: &[ArrayRef], rows: usize, count: usize) -> Result<Vec<u32>> {
        let mut comparators: Vec<DynComparator> = Vec::with_capacity(self.order.len());
        for (evaluator, options) in &self.order {
            let values = canonical(evaluator.evaluate(known, rows)?);
            if values.data_type() != &DataType::Null {
                comparators.push(make_comparator(&values, &values, *options).map_err(internal)?);
            }
        }
        let mut order: Vec<u32> = (0..row_count(rows)?).collect();
        // Rows that tie keep their order, whatever the way of sorting.
        let compare = |a: &u32, b: &u32| {
            let pairs = comparators.iter().map(|compare| compare(*a as usize, *b as usize));
            pairs.fold(Ordering::Equal, Ordering::then).then(a.cmp(b))
        };
        if count == 0 {
            return Ok(Vec::new());
        }
        if count < rows {
            order.select_nth_unstable_by(count - 1, compare);
            order.truncate(count);
        }
        order.sort_unstable_by(compare);
        Ok(order)
    }
}

fn selected(select: &[(String, Evaluator)], batch: &RecordBatch) -> Result<RecordBatch> {
    let rows = batch.num_rows();
    let mut fields = Vec::with_capacity(select.len());
    let mut columns = Vec::with_capacity(select.len());
    for (name, evaluator) in select {
        let column = evaluator.evaluate(batch.columns(), rows)?;
        fields.push(Field::new(name, column.data_type().clone(), true));
        columns.push(column);
    }
    rebuilt(Schema::new(fields), columns, rows)
}

/// The first row of each that are alike, ascending. NaN is like NaN, and zeros are alike.
fn first_of_each(batch: &RecordBatch) -> Result<Vec<u32>> {
    let rows = row_count(batch.num_rows())?;
    if batch.num_columns() == 0 {
        return Ok((0..rows.min(1)).collect());
    }
    let columns: Vec<ArrayRef> = batch.columns().iter().map(|c| canonical(Arc::clone(c))).collect();
    let fields = columns.iter().map(|c| SortField::new(c.data_type().clone())).collect();
    let converter = RowConverter::new(fields).map_err(internal)?;
    let keys = converter.convert_columns(&columns).map_err(internal)?;
    let mut seen = HashSet::with_capacity(batch.num_rows());
    Ok((0..rows).filter(|&row| seen.insert(keys.row(row as usize))).collect())
}

/// Doubles with one NaN, greater than all else, and one zero.
fn canonical(array: ArrayRef) -> ArrayRef {
    if array.data_type() != &DataType::Float64 {
        return array;
    }
    let one = |v: f64| if v.is_nan() { f64::NAN } else { v + 0.0 };
    Arc::new(array.as_primitive::<Float64Type>().unary::<_, Float64Type>(one))
}

fn taken(batch: &RecordBatch, rows: &UInt32Array) -> Result<RecordBatch> {
    let columns = batch.columns().iter().map(|c| take(c, rows, None).map_err(internal));
    let schema = batch.schema().as_ref().clone();
    rebuilt(schema, columns.collect::<Result<_>>()?, rows.len())
}

fn rebuilt(schema: Schema, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(schema), columns, &options).map_err(internal)
}

fn row_count(rows: usize) -> Result<u32> {
    u32::try_from(rows).map_err(|_| {
        Error::LimitExceeded(format!(
            "{rows} rows cannot be put in order; at most {} can: narrow the query",
            u32::MAX
        ))
    })
}

fn internal(error: impl std::fmt::Display) -> Error {
    Error::Internal(error.to_string())
}

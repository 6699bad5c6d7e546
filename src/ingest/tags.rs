//! Tag columns: the series of every row.

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_schema::DataType;
use rayon::prelude::*;

use super::bad::BadRows;
use super::fields::for_keys;
use super::frame::Frame;
use super::intern::{Interner, Tuples, UNSET, combine, renumber};
use super::{FrameOptions, OnError};
use crate::error::{Error, Result};
use crate::model::SeriesKey;
use crate::model::limits::SeriesCap;

/// The strings of one column, interned.
#[derive(Debug)]
pub(super) struct Strings<'a> {
    /// One slot a row.
    pub(super) codes: Vec<u32>,
    /// The string of each code.
    pub(super) values: Vec<Option<&'a str>>,
}

/// The series of every row.
#[derive(Debug)]
pub(super) struct Series<'a> {
    /// One slot a row: a position in [`Self::keys`].
    pub(super) codes: Vec<u32>,
    /// One row a series: its code in each of `values`.
    tuples: Tuples,
    /// One slot a tag.
    values: Vec<Vec<Option<&'a str>>>,
    /// The tuples in use, in the order of their codes; `None` when all are.
    used: Option<Vec<u32>>,
}

impl Series<'_> {
    /// The distinct series, each as often as it stands in `codes`' numbering.
    pub(super) fn keys(&self) -> Vec<SeriesKey> {
        match &self.used {
            Some(used) => used.iter().map(|s| self.key(*s)).collect(),
            None => (0..self.distinct() as u32).map(|s| self.key(s)).collect(),
        }
    }

    /// How many series there are, before [`Self::renumber`].
    pub(super) fn distinct(&self) -> usize {
        self.tuples.distinct
    }

    /// The series numbered `series`, before [`Self::renumber`].
    pub(super) fn key(&self, series: u32) -> SeriesKey {
        let codes = self.tuples.tuple(series as usize);
        SeriesKey::new(self.values.iter().zip(codes).map(|(values, c)| values[*c as usize]))
    }

    /// Leaves those series that rows have, after rows went.
    pub(super) fn renumber(&mut self) {
        let mut scratch = vec![UNSET; self.distinct()];
        let (codes, used) = renumber(self.codes.iter().copied(), &mut scratch);
        self.codes = codes;
        self.used = Some(used);
    }
}

/// Works out the series of every row from the columns of its tags, given in the table's order,
/// `None` for a tag that the frame lacks.
pub(super) fn series<'a>(
    frame: &Frame<'a>,
    tags: &[Option<usize>],
    opts: &FrameOptions<'_>,
) -> Result<(Series<'a>, Vec<BadRows>)> {
    let (on_error, cap) = (opts.on_error, SeriesCap(opts.max_series));
    let passed = || cap.passed(opts.table, &format!("more than {}", cap.0));
    let columns = tags
        .par_iter()
        .map(|column| match column {
            // As many values as that are as many series.
            Some(column) => strings(frame, *column, "tag", on_error, cap.most()),
            None => Ok((absent(frame.rows()), BadRows::new(on_error))),
        })
        .collect::<Result<Vec<_>>>()?;
    let (mut bad, mut values, mut singles) = (Vec::new(), Vec::new(), Vec::new());
    for (strings, column_bad) in columns {
        bad.push(column_bad);
        if strings.values.len() > cap.most() {
            return Err(passed());
        }
        singles.push(Tuples::single(strings.codes, strings.values.len()));
        values.push(strings.values);
    }
    let none = || Tuples { codes: vec![], distinct: frame.rows().min(1), tuples: vec![], width: 0 };
    let mut tuples = combine(singles, cap.most()).unwrap_or_else(none);
    if tuples.distinct > cap.most() {
        return Err(passed());
    }
    let mut codes = std::mem::take(&mut tuples.codes);
    codes.resize(frame.rows(), 0);
    Ok((Series { codes, tuples, values, used: None }, bad))
}

/// A column without a value in any row. The codes stay unread: one value occurs.
fn absent<'a>(rows: usize) -> Strings<'a> {
    Strings { codes: Vec::new(), values: vec![None; rows.min(1)] }
}

/// Interns a column of strings; `what` it is goes into errors. Past `most` different ones it stops:
/// there is one more then, and the codes mean nothing.
///
/// # Errors
/// [`Error::InvalidArgument`] for a column of another type.
pub(super) fn strings<'a>(
    frame: &Frame<'a>,
    column: usize,
    what: &str,
    on_error: OnError,
    most: usize,
) -> Result<(Strings<'a>, BadRows)> {
    let (name, ty) = (frame.name(column), frame.data_type(column));
    if !is_string(ty) {
        return Err(Error::invalid(format!(
            "{what} column {name:?} (from row 0) has type {ty}; a {what} is a string: cast the \
             column to strings or to a categorical of strings"
        )));
    }
    let mut bad = BadRows::new(on_error);
    let mut interner = Interner::of_at_most(most);
    let mut codes = Vec::with_capacity(frame.rows());
    let mut known = Known::default();
    for chunk in frame.chunks(column) {
        if interner.is_over() {
            break;
        }
        match chunk.data_type() {
            DataType::Utf8 => interner.strings(chunk.as_string::<i32>().iter(), &mut codes),
            DataType::LargeUtf8 => interner.strings(chunk.as_string::<i64>().iter(), &mut codes),
            DataType::Utf8View => interner.views(chunk.as_string_view(), &mut codes),
            DataType::Null => {
                let null = if chunk.is_empty() { 0 } else { interner.null_code() };
                codes.resize(codes.len() + chunk.len(), null);
            }
            _ => known.chunk(chunk, &mut interner, &mut codes, &mut bad)?,
        }
    }
    Ok((Strings { codes, values: interner.into_values() }, bad))
}

fn is_string(ty: &DataType) -> bool {
    match ty {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => true,
        DataType::Dictionary(_, values) => {
            matches!(values.as_ref(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
        }
        _ => false,
    }
}

/// The codes of a dictionary's values, found when a row first has them: a categorical may carry
/// far more values than a frame has. Kept for as long as chunks share the dictionary.
#[derive(Default)]
struct Known {
    dictionary: Option<arrow_array::ArrayRef>,
    codes: Vec<u32>,
}

impl Known {
    fn chunk<'a>(
        &mut self,
        chunk: &'a dyn Array,
        interner: &mut Interner<'a>,
        codes: &mut Vec<u32>,
        bad: &mut BadRows,
    ) -> Result<()> {
        let Some(dictionary) = chunk.as_any_dictionary_opt() else {
            return Err(Error::Internal(format!("a string column of type {}", chunk.data_type())));
        };
        let values = dictionary.values();
        let same = |known: &arrow_array::ArrayRef| known.to_data().ptr_eq(&values.to_data());
        if !self.dictionary.as_ref().is_some_and(same) {
            self.codes.clear();
            self.codes.resize(values.len(), UNSET);
            self.dictionary = Some(std::sync::Arc::clone(values));
        }
        for_keys(chunk, |_, key| {
            let code = match key.map(|k| (k, self.codes.get_mut(k))) {
                Some((_, Some(code))) if *code != UNSET => *code,
                Some((key, Some(code))) => {
                    *code = interner.code(text(values, key));
                    *code
                }
                Some((key, None)) => {
                    let size = values.len();
                    bad.push(codes.len(), || {
                        format!("key {key} points past the column's dictionary of {size} values")
                    });
                    interner.null_code()
                }
                None => interner.null_code(),
            };
            codes.push(code);
        });
        Ok(())
    }
}

/// The string at `i` of an array of strings.
fn text(values: &dyn Array, i: usize) -> Option<&str> {
    if values.is_null(i) {
        return None;
    }
    match values.data_type() {
        DataType::Utf8 => Some(values.as_string::<i32>().value(i)),
        DataType::LargeUtf8 => Some(values.as_string::<i64>().value(i)),
        DataType::Utf8View => Some(values.as_string_view().value(i)),
        _ => None,
    }
}

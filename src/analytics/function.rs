//! What an analysis is to those who call it: series in, options by name, one table out.

use rayon::prelude::*;

use super::{Options, anomaly, forecast, pattern, relation};
use crate::error::{Error, Result};
use crate::kernels::Guard;

/// One series, as an analysis takes it.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// Nanoseconds UTC, ascending; equal times are allowed.
    pub times: &'a [i64],
    /// Names and values, each as long as `times`; a missing value is NaN.
    pub fields: &'a [(&'a str, &'a [f64])],
}

impl<'a> Input<'a> {
    /// The values of its only or first field.
    pub fn values(&self) -> &'a [f64] {
        self.fields.first().map_or(&[], |(_, values)| values)
    }
}

/// A column of a result.
#[derive(Clone, Debug, PartialEq)]
pub enum Column {
    /// Places in the list of inputs: which series a row is of. Callers show the series' tags, with
    /// the column's name and "_" before them unless it is empty.
    Series(Vec<u32>),
    /// Nanoseconds UTC; `i64::MIN` is null.
    Time(Vec<i64>),
    /// Whole numbers; `i64::MIN` is null.
    Int(Vec<i64>),
    /// Numbers; NaN is null.
    Float(Vec<f64>),
    /// Truths.
    Bool(Vec<bool>),
    /// Texts.
    Text(Vec<Option<String>>),
}

impl Column {
    /// Its rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Series(rows) => rows.len(),
            Self::Time(rows) | Self::Int(rows) => rows.len(),
            Self::Float(rows) => rows.len(),
            Self::Bool(rows) => rows.len(),
            Self::Text(rows) => rows.len(),
        }
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn clear(&mut self) {
        match self {
            Self::Series(rows) => rows.clear(),
            Self::Time(rows) | Self::Int(rows) => rows.clear(),
            Self::Float(rows) => rows.clear(),
            Self::Bool(rows) => rows.clear(),
            Self::Text(rows) => rows.clear(),
        }
    }

    fn append(&mut self, other: Self) -> Result<()> {
        match (self, other) {
            (Self::Series(own), Self::Series(more)) => own.extend(more),
            (Self::Time(own), Self::Time(more)) | (Self::Int(own), Self::Int(more)) => {
                own.extend(more);
            }
            (Self::Float(own), Self::Float(more)) => own.extend(more),
            (Self::Bool(own), Self::Bool(more)) => own.extend(more),
            (Self::Text(own), Self::Text(more)) => own.extend(more),
            _ => return Err(Error::Internal("columns of two types are one".to_owned())),
        }
        Ok(())
    }
}

/// A result: columns of one length, with names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Names and columns, in their order.
    pub columns: Vec<(String, Column)>,
}

impl Table {
    /// These columns.
    pub fn new<'a>(columns: impl IntoIterator<Item = (&'a str, Column)>) -> Self {
        Self { columns: columns.into_iter().map(|(name, c)| (name.to_owned(), c)).collect() }
    }

    /// Its rows.
    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, |(_, column)| column.len())
    }

    /// A column by its name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|(own, _)| own == name).map(|(_, column)| column)
    }

    /// The numbers of a column by its name.
    pub fn floats(&self, name: &str) -> Option<&[f64]> {
        match self.column(name) {
            Some(Column::Float(values)) => Some(values),
            _ => None,
        }
    }

    /// Runs an analysis of single series on each, in parallel, and puts the results one below the
    /// other, with the series in front.
    ///
    /// # Errors
    /// The first that any of them has.
    pub fn each(
        inputs: &[Input<'_>],
        guard: &dyn Guard,
        run: impl Fn(&Input<'_>) -> Result<Self> + Sync,
    ) -> Result<Self> {
        let tables = inputs.par_iter().map(|input| {
            guard.poll()?;
            run(input)
        });
        let tables = tables.collect::<Result<Vec<_>>>()?;
        let mut series = Vec::new();
        let mut all: Option<Self> = None;
        for (at, table) in tables.into_iter().enumerate() {
            series.extend(std::iter::repeat_n(at as u32, table.rows()));
            match &mut all {
                None => all = Some(table),
                Some(all) => {
                    for ((_, own), (_, more)) in all.columns.iter_mut().zip(table.columns) {
                        own.append(more)?;
                    }
                }
            }
        }
        let mut all = match all {
            Some(all) => all,
            // No series: the columns are those of a series without rows.
            None => {
                let mut one = run(&Input { times: &[], fields: &[("", &[])] })?;
                one.columns.iter_mut().for_each(|(_, column)| column.clear());
                one
            }
        };
        all.columns.insert(0, (String::new(), Column::Series(series)));
        Ok(all)
    }
}

/// An analysis.
#[derive(Clone, Copy, Debug)]
pub struct Function {
    /// Its name, the same in Python and in the language.
    pub name: &'static str,
    /// The fewest and the most fields that it takes.
    pub fields: (usize, usize),
    /// Runs it in the current rayon pool. It takes its options and refuses the rest
    /// ([`Options::finish`]); it polls the guard in long loops and charges what it holds.
    pub run: fn(&[Input<'_>], &mut Options, &dyn Guard) -> Result<Table>,
}

/// Every analysis there is.
pub fn functions() -> impl Iterator<Item = &'static Function> {
    anomaly::FUNCTIONS
        .iter()
        .chain(forecast::FUNCTIONS)
        .chain(pattern::FUNCTIONS)
        .chain(relation::FUNCTIONS)
}

/// An analysis by its name.
///
/// # Errors
/// [`Error::NotFound`] with the nearest names.
pub fn function(name: &str) -> Result<&'static Function> {
    functions()
        .find(|function| function.name == name)
        .ok_or_else(|| Error::unknown("analysis", name, functions().map(|f| f.name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Unguarded;

    #[test]
    fn without_series_there_are_columns_and_no_rows() {
        let one_row = |_: &Input<'_>| Ok(Table::new([("p", Column::Float(vec![0.5]))]));
        let none = Table::each(&[], &Unguarded, one_row).expect("columns");
        let wanted =
            [(String::new(), Column::Series(vec![])), ("p".to_owned(), Column::Float(vec![]))];
        assert_eq!(none.columns, wanted);
    }
}

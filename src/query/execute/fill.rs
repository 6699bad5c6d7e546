//! Gap filling: every group gets every bucket.

use super::Group;
use crate::error::{Error, Result};
use crate::kernels::aggregate::Bucketing;
use crate::kernels::{Function, Guard};
use crate::model::{Column, FieldType, TimeRange, Timestamp, Values};
use crate::query::{Fill, QueryContext};

/// The result rows of one group: bucket starts, and one column an output.
#[derive(Debug)]
pub(super) struct Cells {
    pub(super) times: Vec<Timestamp>,
    pub(super) columns: Vec<Column>,
}

/// Most rows of a filled result.
const MOST_ROWS: u128 = 20_000_000;

/// Adds the missing buckets to every group and fills the gaps of each column.
pub(super) fn fill(
    found: &mut [(&Group, Cells)],
    with: &Fill,
    every: i64,
    range: TimeRange,
    outputs: &[(usize, Function)],
    names: &[String],
    context: &QueryContext,
) -> Result<()> {
    let bucketing = Bucketing { every: Some(every) };
    let Some((first, last)) = extent(found, bucketing, range) else { return Ok(()) };
    let buckets = u128::from(last.abs_diff(first)) + 1;
    let rows = buckets.saturating_mul(found.len() as u128);
    if rows > MOST_ROWS {
        return Err(Error::LimitExceeded(format!(
            "fill would make {rows} rows ({} groups of {buckets} buckets); at most {MOST_ROWS} \
             can be: take longer buckets, a shorter range or fewer groups",
            found.len()
        )));
    }
    for (_, cells) in found {
        context.poll()?;
        context.charge(buckets as usize * 8 * (1 + cells.columns.len()))?;
        let spread = Spread::of(cells, bucketing, first, last);
        let columns = std::mem::take(&mut cells.columns);
        for ((column, (_, function)), name) in columns.iter().zip(outputs).zip(names) {
            let filled = spread.apply(column, *function, with);
            cells.columns.push(filled.map_err(|e| e.within(format!("fill of {name:?}")))?);
        }
        cells.times = spread.times;
    }
    Ok(())
}

/// The first and the last bucket: of the range where both its ends are given, else of the result.
fn extent(found: &[(&Group, Cells)], bucketing: Bucketing, range: TimeRange) -> Option<(i64, i64)> {
    let firsts = found.iter().filter_map(|(_, cells)| cells.times.first());
    let first = bucketing.of(*firsts.min()?);
    let last = bucketing.of(*found.iter().filter_map(|(_, cells)| cells.times.last()).max()?);
    match range.end {
        Some(end) if range.start != i64::MIN => {
            Some((bucketing.of(range.start), bucketing.of(end.checked_sub(1)?).max(last)))
        }
        _ => Some((first, last)),
    }
}

/// One group's rows among all the buckets.
struct Spread {
    times: Vec<Timestamp>,
    /// For each bucket the row that the group has for it.
    from: Vec<Option<usize>>,
}

impl Spread {
    fn of(cells: &Cells, bucketing: Bucketing, first: i64, last: i64) -> Self {
        let mut own = cells.times.iter().copied().enumerate().peekable();
        let (mut times, mut from) = (Vec::new(), Vec::new());
        for bucket in first..=last {
            let start = bucketing.start(bucket);
            times.push(start);
            from.push(own.next_if(|&(_, time)| time == start).map(|(row, _)| row));
        }
        Self { times, from }
    }

    fn apply(&self, column: &Column, function: Function, with: &Fill) -> Result<Column> {
        let mut out = Column::empty(column.values.field_type());
        for row in &self.from {
            match row {
                Some(row) => out.push_from(column, *row),
                None => out.push_null(),
            }
        }
        if out.validity.is_none() {
            return Ok(out);
        }
        let gaps: Vec<usize> = (0..out.len()).filter(|&row| !out.is_valid(row)).collect();
        if function == Function::Count {
            return replace(out, gaps.into_iter().map(|row| (row, Cell::Number(0.0))));
        }
        match with {
            Fill::Null => Ok(out),
            Fill::Value(value) => {
                replace(out, gaps.into_iter().map(|row| (row, Cell::Number(*value))))
            }
            Fill::Previous => {
                let (mut before, mut cells) = (None, Vec::new());
                for row in 0..out.len() {
                    if out.is_valid(row) {
                        before = Some(row);
                    } else if let Some(before) = before {
                        cells.push((row, Cell::Row(before)));
                    }
                }
                replace(out, cells.into_iter())
            }
            Fill::Linear => {
                let cells = self.lines(&out)?;
                replace(out, cells.into_iter())
            }
        }
    }

    /// The numbers between each two neighbouring values.
    fn lines(&self, column: &Column) -> Result<Vec<(usize, Cell)>> {
        let number: Box<dyn Fn(usize) -> f64> = match &column.values {
            Values::F64(v) => Box::new(|row| v[row]),
            Values::I64(v) => Box::new(|row| v[row] as f64),
            other => {
                return Err(Error::invalid(format!(
                    "linear filling works on numbers, not on {}; use null or previous",
                    other.field_type().name()
                )));
            }
        };
        let mut cells = Vec::new();
        let known: Vec<usize> = (0..column.len()).filter(|&row| column.is_valid(row)).collect();
        for pair in known.windows(2) {
            let (a, b) = (number(pair[0]), number(pair[1]));
            for row in pair[0] + 1..pair[1] {
                let part = (row - pair[0]) as f64 / (pair[1] - pair[0]) as f64;
                let value = if a == b { a } else { a * (1.0 - part) + b * part };
                cells.push((row, Cell::Number(value)));
            }
        }
        Ok(cells)
    }
}

/// What goes into a gap.
enum Cell {
    Number(f64),
    /// The same as another row.
    Row(usize),
}

fn replace(column: Column, cells: impl Iterator<Item = (usize, Cell)>) -> Result<Column> {
    let mut out = Column::empty(column.values.field_type());
    let mut at = 0;
    for (row, cell) in cells {
        out.extend_from(&column, at..row);
        let one = match cell {
            Cell::Row(from) => {
                out.push_from(&column, from);
                at = row + 1;
                continue;
            }
            Cell::Number(number) => match &column.values {
                Values::F64(_) => Values::F64(vec![number]),
                Values::I64(_) => Values::I64(vec![integer(number)?]),
                other => return Err(no_number(number, other.field_type())),
            },
        };
        out.push_from(&Column::new(one), 0);
        at = row + 1;
    }
    let rows = column.len();
    out.extend_from(&column, at..rows);
    if out.nulls() == 0 {
        out.validity = None;
    }
    Ok(out)
}

fn integer(number: f64) -> Result<i64> {
    let rounded = number.round_ties_even();
    if rounded >= i64::MIN as f64 && rounded < i64::MAX as f64 {
        Ok(rounded as i64)
    } else {
        Err(no_number(number, FieldType::I64))
    }
}

fn no_number(number: f64, ty: FieldType) -> Error {
    Error::invalid(format!(
        "{number} cannot stand in a column of {}; use null or previous",
        ty.name()
    ))
}

//! Gap filling: every group gets every bucket.

use super::asked::AskedOutput;
use crate::error::{Error, Result};
use crate::kernels::{Bucketing, Cells, Guard, Lists};
use crate::model::{Column, FieldType, TimeRange, Timestamp, Values};
use crate::query::{Fill, QueryContext};

/// The result rows of some groups, one group after the other: bucket starts, and one column an
/// output.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Positions of the groups that have rows, with how many.
    pub(super) groups: Vec<(usize, usize)>,
    pub(super) starts: Vec<Timestamp>,
    pub(super) columns: Vec<Cells>,
}

/// Most rows of a filled result.
const MOST_ROWS: u128 = 20_000_000;

/// Adds the missing buckets to every group and fills the gaps of each column. `with`: one for all
/// columns or one for each.
pub(super) fn fill(
    found: &mut Found,
    with: &[Fill],
    bucketing: &Bucketing,
    range: TimeRange,
    outputs: &[AskedOutput],
    context: &QueryContext,
) -> Result<()> {
    let Some((first, last)) = extent(found, bucketing, range) else { return Ok(()) };
    let buckets = u128::from(last.abs_diff(first)) + 1;
    let rows = buckets.saturating_mul(found.groups.len() as u128);
    if rows > MOST_ROWS {
        return Err(Error::LimitExceeded(format!(
            "fill would make {rows} rows ({} groups of {buckets} buckets); at most {MOST_ROWS} \
             can be: take longer buckets, a shorter range or fewer groups",
            found.groups.len()
        )));
    }
    let starts: Vec<Timestamp> = (first..=last).map(|bucket| bucketing.start(bucket)).collect();
    let mut filled: Vec<Cells> = outputs.iter().map(|output| Cells::empty(output.ty)).collect();
    let (mut groups, mut times, mut at) = (Vec::new(), Vec::new(), 0);
    for &(group, rows) in &found.groups {
        context.poll()?;
        context.charge(starts.len() * 8 * (1 + outputs.len()))?;
        let mut own = (at..at + rows).peekable();
        let from: Vec<Option<usize>> =
            starts.iter().map(|&start| own.next_if(|&row| found.starts[row] == start)).collect();
        for (nth, (cells, output)) in found.columns.iter().zip(outputs).enumerate() {
            let with = with.get(nth).or(with.first()).unwrap_or(&Fill::Null);
            let piece = match cells {
                Cells::Column(column) => {
                    spread(column, &from, output.ask.function.counts(), with).map(Cells::Column)
                }
                Cells::Lists(lists) => spread_lists(lists, &from, with).map(Cells::Lists),
            };
            let piece = piece.map_err(|e| e.within(format!("fill of {:?}", output.name)))?;
            filled[nth].append(piece);
        }
        groups.push((group, starts.len()));
        times.extend_from_slice(&starts);
        at += rows;
    }
    *found = Found { groups, starts: times, columns: filled };
    Ok(())
}

/// The first and the last bucket: of the range where both its ends are given, and of the result.
fn extent(found: &Found, bucketing: &Bucketing, range: TimeRange) -> Option<(i64, i64)> {
    let first = bucketing.of(*found.starts.iter().min()?);
    let last = bucketing.of(*found.starts.iter().max()?);
    match range.end {
        Some(end) if range.start != i64::MIN => Some((
            bucketing.of(range.start).min(first),
            bucketing.of(end.checked_sub(1)?).max(last),
        )),
        _ => Some((first, last)),
    }
}

/// One group's lists among all the buckets.
fn spread_lists(lists: &Lists, from: &[Option<usize>], with: &Fill) -> Result<Lists> {
    let mut out = Lists { width: lists.width, ..Lists::default() };
    let mut before = None;
    for row in from {
        let own = row.and_then(|row| lists.get(row));
        match with {
            Fill::Null => out.push(own),
            Fill::Previous => {
                before = own.or(before);
                out.push(before);
            }
            Fill::Linear | Fill::Value(_) => {
                return Err(Error::invalid(
                    "lists are filled with null or previous, not with numbers",
                ));
            }
        }
    }
    Ok(out)
}

/// One group's values among all the buckets; `counts`: gaps are 0.
fn spread(column: &Column, from: &[Option<usize>], counts: bool, with: &Fill) -> Result<Column> {
    let mut out = Column::empty(column.values.field_type());
    for row in from {
        match row {
            Some(row) => out.push_from(column, *row),
            None => out.push_null(),
        }
    }
    if out.nulls() == 0 {
        return Ok(out);
    }
    let gaps: Vec<usize> = (0..out.len()).filter(|&row| !out.is_valid(row)).collect();
    if counts {
        return replace(out, gaps.into_iter().map(|row| (row, Cell::Number(0.0))));
    }
    match with {
        Fill::Null => Ok(out),
        Fill::Value(value) => replace(out, gaps.into_iter().map(|row| (row, Cell::Number(*value)))),
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
            let cells = lines(&out)?;
            replace(out, cells.into_iter())
        }
    }
}

/// The numbers between each two neighbouring values.
fn lines(column: &Column) -> Result<Vec<(usize, Cell)>> {
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

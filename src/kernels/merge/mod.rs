//! Merging the parts of one series into rows sorted by time.
//!
//! Parts come by arrival. Parts of one field set make a group. With [`Duplicates::Keep`] rows of
//! a group stay apart, and at one time the rows of groups without a common field are put into one
//! row; with [`Duplicates::Last`] there is one row a time, and of each field the value that
//! arrived last counts, a null never.

mod assemble;
mod load;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub(crate) use assemble::assemble;
pub(crate) use load::{all_live, blocks_in, column_of, live_rows, load, type_of};

use super::guard::{Guard, Hold, Unguarded};
use crate::chunk::Part;
use crate::error::Result;
use crate::model::{Column, Duplicates, FieldType, TimeRange, Timestamp};

/// Rows of one series, sorted by time, not encoded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// Each row's time, ascending.
    pub times: Vec<Timestamp>,
    /// One column a field asked for, each with as many rows.
    pub columns: Vec<Column>,
}

/// Rows of one series that share their times.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// The ids of the fields, ascending.
    pub fields: Vec<usize>,
    /// One column a field.
    pub rows: Rows,
}

/// The rows of one series in `range`, deletions applied.
///
/// `parts` come ordered by [`Part::order`]; `fields` are the ids of the columns wanted, in any
/// order (none: times only, of every part); `types` has the type of every field of the table.
/// A row is there when any part that holds one of `fields` has it, even where all are null; rows
/// of parts without any field count when all of the table's fields are wanted.
///
/// # Errors
/// [`crate::Error::Corrupt`] when a block does not decode.
pub fn merge_parts(
    parts: &[Part],
    range: TimeRange,
    fields: &[usize],
    types: &[FieldType],
    duplicates: Duplicates,
) -> Result<Rows> {
    merge_parts_guarded(parts, range, fields, types, duplicates, &Unguarded)
}

/// [`merge_parts`] under a guard, polled for every block; the memory charged is given back.
///
/// # Errors
/// As [`merge_parts`], and as the guard decides.
pub fn merge_parts_guarded(
    parts: &[Part],
    range: TimeRange,
    fields: &[usize],
    types: &[FieldType],
    duplicates: Duplicates,
    guard: &dyn Guard,
) -> Result<Rows> {
    let holds = |part: &&Part| {
        fields.is_empty()
            || fields.iter().any(|&field| part.column_of(field).is_some())
            || (part.fields.is_empty() && fields.len() == types.len())
    };
    let chosen: Vec<Part> = parts.iter().filter(holds).cloned().collect();
    merge_every_row(&chosen, range, fields, types, duplicates, guard)
}

/// [`merge_parts_guarded`] with every row of the parts, whether or not its part holds any of
/// `fields`.
///
/// # Errors
/// As [`merge_parts_guarded`].
pub fn merge_every_row(
    parts: &[Part],
    range: TimeRange,
    fields: &[usize],
    types: &[FieldType],
    duplicates: Duplicates,
    guard: &dyn Guard,
) -> Result<Rows> {
    let wanted = with_types(fields, types)?;
    let mut hold = Hold::new(guard);
    let mut runs = Vec::with_capacity(parts.len());
    for (at, part) in parts.iter().enumerate() {
        let blocks = blocks_in(&part.data, range);
        runs.extend(load((at, part), blocks, range, &wanted, &mut hold, guard)?);
    }
    let types: Vec<FieldType> = wanted.iter().map(|&(_, ty)| ty).collect();
    assemble(parts, runs, &types, duplicates)
}

/// The rows of one series with their groups kept apart, for writing them anew.
///
/// With [`Duplicates::Keep`] one group a distinct field set, its rows by time and then arrival.
/// With [`Duplicates::Last`] field sets that share a field are united, so that groups come out
/// disjoint, each with one row a time. Groups come in the order of their fields; one without rows
/// is left out. `types` has the type of every field of the table.
///
/// # Errors
/// [`crate::Error::Corrupt`] when a block does not decode.
pub fn merge_groups(
    parts: &[Part],
    duplicates: Duplicates,
    types: &[FieldType],
) -> Result<Vec<Group>> {
    let mut sets: Vec<(Vec<usize>, Vec<usize>)> = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        let mut fields = part.fields.to_vec();
        let mut members = vec![at];
        let joins = |set: &[usize]| {
            set == fields
                || (duplicates == Duplicates::Last
                    && set.iter().any(|f| fields.binary_search(f).is_ok()))
        };
        // With `Last` the sets that stand are disjoint, so one pass finds all that the part unites.
        let (mine, rest): (Vec<_>, Vec<_>) = sets.into_iter().partition(|(set, _)| joins(set));
        sets = rest;
        for (set, parts) in mine {
            fields.extend(set);
            members.extend(parts);
        }
        fields.sort_unstable();
        fields.dedup();
        sets.push((fields, members));
    }
    sets.sort_unstable();
    let mut groups = Vec::with_capacity(sets.len());
    for (fields, mut members) in sets {
        members.sort_unstable();
        let members: Vec<Part> = members.into_iter().map(|at| parts[at].clone()).collect();
        let rows = merge_parts(&members, TimeRange::ALL, &fields, types, duplicates)?;
        if !rows.times.is_empty() {
            groups.push(Group { fields, rows });
        }
    }
    Ok(groups)
}

fn with_types(fields: &[usize], types: &[FieldType]) -> Result<Vec<(usize, FieldType)>> {
    fields.iter().map(|&field| Ok((field, type_of(types, field)?))).collect()
}

impl Rows {
    /// The rows in which at least one column has a value.
    #[must_use]
    pub(crate) fn with_points(self) -> Self {
        let has_point = |row: usize| self.columns.iter().any(|column| column.is_valid(row));
        if (0..self.times.len()).all(has_point) {
            return self;
        }
        let kept: Vec<usize> = (0..self.times.len()).filter(|row| has_point(*row)).collect();
        self.take(&kept)
    }

    /// Some rows: `kept` are their places, ascending.
    #[must_use]
    pub(crate) fn take(self, kept: &[usize]) -> Self {
        if kept.len() == self.times.len() {
            return self;
        }
        let columns = self.columns.iter().map(|column| {
            let mut out = Column::empty(column.values.field_type());
            kept.iter().for_each(|row| out.push_from(column, *row));
            out
        });
        Self {
            columns: columns.collect(),
            times: kept.iter().map(|row| self.times[*row]).collect(),
        }
    }
}

impl Group {
    /// The group as a part of its own.
    pub fn into_part(self, order: u64) -> Part {
        let Rows { times, columns } = self.rows;
        let plain = crate::chunk::PlainChunk { times, columns };
        Part {
            data: crate::chunk::PartData::Plain(Arc::new(plain)),
            fields: self.fields.into(),
            order,
            deleted: Arc::new([]),
        }
    }
}

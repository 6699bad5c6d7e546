//! One series of the head: groups of fields that share times, each sealed chunks plus a tail.

use std::sync::Arc;

use crate::chunk::{BLOCK_ROWS, Chunk, Part, PartData, PlainChunk};
use crate::error::{Error, Result};
use crate::kernels::merge_groups;
use crate::model::{
    Batch, Bitmap, Column, Duplicates, FieldArray, FieldType, SeriesId, SeriesKey, TableSchema,
    TimeRange, Timestamp, Values,
};

/// Bits of a part's order that number the parts inside one head or segment.
pub(crate) const ORDER_SHIFT: u32 = 24;

/// A batch's columns by field id, ascending.
pub(super) struct BatchFields<'a> {
    pub(super) ids: Arc<[usize]>,
    pub(super) types: Vec<FieldType>,
    arrays: Vec<&'a FieldArray>,
}

impl<'a> BatchFields<'a> {
    pub(super) fn new(schema: &TableSchema, batch: &'a Batch) -> Result<Self> {
        let mut columns = Vec::with_capacity(batch.fields().len());
        for (name, array) in batch.fields() {
            let id = schema.field_id(name).ok_or_else(|| {
                Error::Internal(format!("table {:?} has no field {name:?}", schema.name))
            })?;
            if schema.fields[id].ty != array.field_type() {
                return Err(Error::Internal(format!("field {name:?} changed its type")));
            }
            columns.push((id, array));
        }
        columns.sort_unstable_by_key(|(id, _)| *id);
        Ok(Self {
            ids: columns.iter().map(|(id, _)| *id).collect(),
            types: columns.iter().map(|(_, array)| array.field_type()).collect(),
            arrays: columns.into_iter().map(|(_, array)| array).collect(),
        })
    }
}

#[derive(Debug)]
struct HeadGroup {
    fields: Arc<[usize]>,
    types: Vec<FieldType>,
    sealed: Vec<(Arc<[usize]>, Chunk)>,
    times: Vec<Timestamp>,
    columns: Vec<Column>,
    sorted: bool,
}

/// One series of the head.
#[derive(Debug)]
pub(super) struct HeadSeries {
    id: SeriesId,
    key: Arc<SeriesKey>,
    groups: Vec<HeadGroup>,
    last_time: Option<Timestamp>,
}

impl HeadSeries {
    pub(super) fn new(id: SeriesId, key: Arc<SeriesKey>) -> Self {
        Self { id, key, groups: Vec::new(), last_time: None }
    }

    pub(super) fn id(&self) -> SeriesId {
        self.id
    }

    pub(super) fn key(&self) -> &Arc<SeriesKey> {
        &self.key
    }

    pub(super) fn last_time(&self) -> Option<Timestamp> {
        self.last_time
    }

    /// The group that takes rows of these fields, made or widened when needed.
    ///
    /// Where duplicates replace, all groups that share a field become one: a null never replaces
    /// a value, so the wider rows mean the same, and rows keep their order of arrival.
    pub(super) fn group(&mut self, schema: &TableSchema, batch: &BatchFields<'_>) -> usize {
        if let Some(at) = self.groups.iter().position(|g| g.fields == batch.ids) {
            return at;
        }
        let shares = |g: &HeadGroup| g.fields.iter().any(|f| batch.ids.binary_search(f).is_ok());
        if schema.duplicates == Duplicates::Last
            && let Some(at) = self.groups.iter().position(shares)
        {
            self.groups[at].widen(&batch.ids, schema);
            while let Some(other) = (at + 1..self.groups.len()).find(|i| shares(&self.groups[*i])) {
                let other = self.groups.remove(other);
                self.groups[at].absorb(other, schema);
            }
            return at;
        }
        self.groups.push(HeadGroup {
            fields: Arc::clone(&batch.ids),
            types: batch.types.clone(),
            sealed: Vec::new(),
            times: Vec::new(),
            columns: batch.types.iter().map(|ty| Column::empty(*ty)).collect(),
            sorted: true,
        });
        self.groups.len() - 1
    }

    /// Appends a row of a batch to a group; returns by how many bytes the memory grew, about.
    pub(super) fn push(
        &mut self,
        group: usize,
        time: Timestamp,
        row: usize,
        batch: &BatchFields<'_>,
        schema: &TableSchema,
    ) -> usize {
        self.last_time = Some(self.last_time.map_or(time, |last| last.max(time)));
        self.groups[group].push(time, row, batch, schema)
    }

    /// The parts that overlap `range`, sealed chunks first, then the sorted tail.
    pub(super) fn parts(&self, order: u64, range: TimeRange) -> Vec<Part> {
        let deleted: Arc<[TimeRange]> = Arc::from([]);
        let mut parts = Vec::new();
        let mut add = |data: PartData, fields: &Arc<[usize]>| {
            let within = data.span().is_some_and(|(first, last)| range.overlaps(first, last));
            if within {
                parts.push(Part {
                    data,
                    fields: Arc::clone(fields),
                    order: (order << ORDER_SHIFT) + parts.len() as u64,
                    deleted: Arc::clone(&deleted),
                });
            }
        };
        for group in &self.groups {
            for (fields, chunk) in &group.sealed {
                add(PartData::Encoded(chunk.clone()), fields);
            }
            if let Some(tail) = group.tail() {
                add(PartData::Plain(Arc::new(tail)), &group.fields);
            }
        }
        parts
    }
}

impl HeadGroup {
    fn push(
        &mut self,
        time: Timestamp,
        row: usize,
        batch: &BatchFields<'_>,
        schema: &TableSchema,
    ) -> usize {
        self.sorted &= self.times.last().is_none_or(|last| *last <= time);
        self.times.push(time);
        let mut grown = 8;
        let mut incoming = batch.ids.iter().zip(&batch.arrays).peekable();
        for (field, column) in self.fields.iter().zip(&mut self.columns) {
            match incoming.next_if(|(id, _)| *id == field) {
                Some((_, array)) => array.push_to(row, column),
                None => column.push_null(),
            }
            grown += match &column.values {
                Values::Str(v) => 4 + v.get(v.len() - 1).len(),
                Values::Bool(_) => 1,
                _ => 8,
            };
        }
        if self.times.len() >= BLOCK_ROWS {
            self.seal(schema);
        }
        grown
    }

    /// Encodes the tail as a chunk of its own. Where duplicates replace, a chunk holds no time
    /// twice: its statistics are trusted.
    fn seal(&mut self, schema: &TableSchema) {
        let Some(mut tail) = self.tail() else { return };
        if schema.duplicates == Duplicates::Last && tail.times.windows(2).any(|t| t[0] == t[1]) {
            let types: Vec<FieldType> = schema.fields.iter().map(|field| field.ty).collect();
            let part = Part {
                data: PartData::Plain(Arc::new(tail)),
                fields: Arc::clone(&self.fields),
                order: 0,
                deleted: Arc::from([]),
            };
            match merge_groups(&[part], schema.duplicates, &types).as_deref() {
                Ok([group]) if *group.fields == *self.fields => {
                    let rows = group.rows.clone();
                    tail = PlainChunk { times: rows.times, columns: rows.columns };
                }
                // What cannot be merged simply stays open.
                _ => return,
            }
        }
        let mut bytes = Vec::new();
        if Chunk::encode(&tail.times, &tail.columns, &[], &mut bytes).is_err() {
            return;
        }
        // A chunk that was just encoded opens; were it not so, the tail simply stays open.
        if let Ok(chunk) = Chunk::open(bytes.into()) {
            self.sealed.push((Arc::clone(&self.fields), chunk));
            self.times.clear();
            self.columns.iter_mut().for_each(Column::clear);
            self.sorted = true;
        }
    }

    /// The tail's rows sorted by time, rows of one time in order of arrival.
    fn tail(&self) -> Option<PlainChunk> {
        if self.times.is_empty() {
            return None;
        }
        if self.sorted {
            return Some(PlainChunk { times: self.times.clone(), columns: self.columns.clone() });
        }
        let mut rows: Vec<usize> = (0..self.times.len()).collect();
        rows.sort_by_key(|row| self.times[*row]);
        let columns = self.columns.iter().zip(&self.types).map(|(column, ty)| {
            let mut sorted = Column::empty(*ty);
            rows.iter().for_each(|row| sorted.push_from(column, *row));
            sorted
        });
        Some(PlainChunk {
            columns: columns.collect(),
            times: rows.iter().map(|row| self.times[*row]).collect(),
        })
    }

    /// Adds fields, null in the rows that are there.
    fn widen(&mut self, ids: &[usize], schema: &TableSchema) {
        let rows = self.times.len();
        let mut fields: Vec<usize> = self.fields.iter().chain(ids).copied().collect();
        fields.sort_unstable();
        fields.dedup();
        if fields.len() == self.fields.len() {
            return;
        }
        let mut own = self.fields.iter().zip(std::mem::take(&mut self.columns)).peekable();
        for field in &fields {
            self.columns.push(match own.next_if(|(id, _)| *id == field) {
                Some((_, column)) => column,
                None => null_column(schema.fields[*field].ty, rows),
            });
        }
        self.types = fields.iter().map(|field| schema.fields[*field].ty).collect();
        self.fields = fields.into();
    }

    /// Takes in a group that arrived earlier or later with other fields of the same rows' series.
    fn absorb(&mut self, mut other: Self, schema: &TableSchema) {
        self.widen(&other.fields, schema);
        other.widen(&self.fields, schema);
        self.sealed.append(&mut other.sealed);
        self.sorted = false;
        self.times.append(&mut other.times);
        for (column, more) in self.columns.iter_mut().zip(&other.columns) {
            column.extend_from(more, 0..more.len());
        }
    }
}

fn null_column(ty: FieldType, rows: usize) -> Column {
    let mut values = Values::empty(ty);
    (0..rows).for_each(|_| values.push_default());
    Column { values, validity: (rows > 0).then(|| Bitmap::filled(rows, false)) }
}

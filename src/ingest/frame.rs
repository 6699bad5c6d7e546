//! A frame and the role that each of its columns plays.

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Schema};

use super::FrameOptions;
use super::fields::{Kind, check_types, kind_of};
use crate::error::{Error, Result};
use crate::model::{Duplicates, FieldDef, FieldType, TableSchema};

/// Record batches of one schema, seen as one run of rows.
///
/// Invariants: every batch has the schema's column types; names are unique; rows fit a u32.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    batches: &'a [RecordBatch],
    schema: &'a Schema,
    rows: usize,
}

impl<'a> Frame<'a> {
    pub(super) fn new(batches: &'a [RecordBatch], schema: &'a Schema) -> Result<Self> {
        let mut seen = std::collections::HashSet::new();
        if let Some(twice) = schema.fields().iter().find(|f| !seen.insert(f.name())) {
            return Err(Error::invalid(format!(
                "the frame has two columns called {:?}; give each a name of its own",
                twice.name()
            )));
        }
        for (i, batch) in batches.iter().enumerate() {
            let own = batch.schema_ref().fields();
            let same = own.len() == schema.fields().len()
                && own.iter().zip(schema.fields()).all(|(a, b)| a.data_type() == b.data_type());
            if !same {
                return Err(Error::invalid(format!(
                    "record batch {i} of the frame has other columns or types than the frame's \
                     schema; make them alike before writing"
                )));
            }
        }
        let rows = batches.iter().map(RecordBatch::num_rows).sum();
        if u32::try_from(rows).is_err() {
            return Err(Error::LimitExceeded(format!(
                "the frame has {rows} rows, and one write takes up to {}; write it in parts",
                u32::MAX
            )));
        }
        Ok(Self { batches, schema, rows })
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn name(&self, column: usize) -> &'a str {
        self.schema.field(column).name()
    }

    pub(super) fn data_type(&self, column: usize) -> &'a DataType {
        self.schema.field(column).data_type()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.schema.fields().iter().map(|f| f.name().as_str())
    }

    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.names().position(|n| n == name)
    }

    /// The position of column `name`.
    ///
    /// # Errors
    /// [`Error::NotFound`] with the nearest names.
    pub(super) fn require(&self, what: &str, name: &str) -> Result<usize> {
        self.find(name).ok_or_else(|| Error::unknown(what, name, self.names()))
    }

    /// The chunks of a column, in order.
    pub(super) fn chunks(&self, column: usize) -> impl Iterator<Item = &'a ArrayRef> + use<'a> {
        self.batches.iter().map(move |b| b.column(column))
    }
}

/// A field column of a wide frame.
#[derive(Debug)]
pub(super) struct FieldJob<'a> {
    pub(super) name: &'a str,
    pub(super) column: usize,
    pub(super) kind: Kind,
    pub(super) ty: FieldType,
}

/// Where the time and the tags of a frame stand.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) time: usize,
    /// One slot a tag of the table; `None` where the frame lacks it.
    pub(super) tags: Vec<Option<usize>>,
}

impl Plan {
    pub(super) fn new(frame: &Frame<'_>, opts: &FrameOptions<'_>) -> Result<Self> {
        let time = frame.require("time column", opts.time)?;
        if opts.tags.iter().any(|t| t == opts.time) {
            return Err(Error::invalid(format!(
                "column {:?} cannot be both the time and a tag; name another column as time, or \
                 leave it out of tags",
                opts.time
            )));
        }
        for tag in opts.frame_tags {
            if !opts.tags.contains(tag) {
                return Err(Error::unknown("tag", tag, opts.tags.iter().map(String::as_str)));
            }
            frame.require("tag column", tag)?;
        }
        let tags = opts.tags.iter().map(|t| frame.find(t)).collect();
        Ok(Self { time, tags })
    }

    /// The columns that are neither time nor tag.
    pub(super) fn others<'f>(&self, frame: &Frame<'f>) -> Vec<(usize, &'f str)> {
        let taken = |c: &usize| *c == self.time || self.tags.contains(&Some(*c));
        frame.names().enumerate().filter(|(c, _)| !taken(c)).collect()
    }

    /// The fields of a wide frame with the types that they are stored in.
    pub(super) fn wide_fields<'f>(
        &self,
        frame: &Frame<'f>,
        opts: &FrameOptions<'_>,
    ) -> Result<Vec<FieldJob<'f>>> {
        let others = self.others(frame);
        if others.is_empty() {
            return Err(Error::invalid(format!(
                "the frame has no field: its columns {:?} are the time and tags; add a column \
                 with values",
                frame.names().collect::<Vec<_>>()
            )));
        }
        let mut jobs = Vec::with_capacity(others.len());
        for (column, name) in others {
            let kind = kind_of(name, frame.data_type(column))?;
            let known = opts.fields.iter().find(|f| f.name == name).map(|f| f.ty);
            if let Some(ty) = known.or(kind.implied()) {
                check_types(name, ty, kind, frame.data_type(column))?;
                jobs.push(FieldJob { name, column, kind, ty });
            }
        }
        let defs = jobs.iter().map(|j| FieldDef { name: j.name.to_owned(), ty: j.ty }).collect();
        check_names(opts, defs)?;
        Ok(jobs)
    }
}

/// Checks that `fields` can stand beside the table's tags.
pub(super) fn check_names(opts: &FrameOptions<'_>, fields: Vec<FieldDef>) -> Result<()> {
    let tags = opts.tags.to_vec();
    match TableSchema::new(opts.table, tags, fields, Duplicates::Keep, None) {
        Ok(schema) => schema.check_size(),
        // The table is named around every error of a frame.
        Err(Error::InvalidArgument(why)) => {
            let prefix = format!("table {:?}: ", opts.table);
            Err(Error::invalid(why.strip_prefix(&prefix).unwrap_or(&why)))
        }
        Err(other) => Err(other),
    }
}

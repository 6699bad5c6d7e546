//! Rows that cannot be stored: found column by column, settled over the frame.

use super::OnError;
use crate::error::{Error, Result};

/// Most rows whose details are kept.
const KEPT: usize = 1000;

/// A row that was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedRow {
    /// Its position in the frame, counted from 0.
    pub row: u64,
    /// The first column that could not be stored: time, then tags, then fields.
    pub column: String,
    /// The value and what would have worked.
    pub why: String,
}

/// The bad rows of one column.
///
/// Invariant: `rows` ascend, and `why` explains the first of them; under [`OnError::Raise`] only
/// the very first is kept.
#[derive(Debug)]
pub(super) struct BadRows {
    most: usize,
    kept: usize,
    rows: Vec<u32>,
    why: Vec<String>,
}

impl BadRows {
    pub(super) fn new(on_error: OnError) -> Self {
        let (most, kept) = match on_error {
            OnError::Raise => (1, 1),
            OnError::Skip => (usize::MAX, KEPT),
        };
        Self { most, kept, rows: Vec::new(), why: Vec::new() }
    }

    /// Marks `row`, which comes after every row marked before, as bad.
    pub(super) fn push(&mut self, row: usize, why: impl FnOnce() -> String) {
        if self.rows.len() < self.most {
            self.rows.push(u32::try_from(row).unwrap_or(u32::MAX));
            if self.why.len() < self.kept {
                self.why.push(why());
            }
        }
    }

    /// The rows, ascending.
    pub(super) fn rows(&self) -> &[u32] {
        &self.rows
    }

    /// Whether bad rows fail the frame.
    pub(super) fn raises(&self) -> bool {
        self.most == 1
    }
}

/// What is left of a frame.
#[derive(Debug)]
pub(super) struct Settled {
    /// Whether each row stays; `None` when all do.
    pub(super) keep: Option<Vec<bool>>,
    /// The first rows that were left out, ascending.
    pub(super) skipped: Vec<SkippedRow>,
    /// How many rows were left out.
    pub(super) skipped_rows: u64,
}

/// Brings together the bad rows of every column, given in the order in which columns are blamed.
///
/// # Errors
/// [`Error::InvalidArgument`] for the first bad row of the frame where bad rows raise.
pub(super) fn settle<'a>(
    rows: usize,
    columns: impl IntoIterator<Item = (&'a str, BadRows)>,
) -> Result<Settled> {
    let mut keep: Option<Vec<bool>> = None;
    let mut raises = false;
    let mut details = Vec::new();
    for (column, bad) in columns {
        raises |= bad.raises();
        for row in &bad.rows {
            let keep = keep.get_or_insert_with(|| vec![true; rows]);
            if let Some(keep) = keep.get_mut(*row as usize) {
                *keep = false;
            }
        }
        details.extend(bad.rows.iter().zip(bad.why).map(|(row, why)| SkippedRow {
            row: u64::from(*row),
            column: column.to_owned(),
            why,
        }));
    }
    // Stable: of two columns bad in a row, the one given first is blamed.
    details.sort_by_key(|d| d.row);
    if let (true, Some(SkippedRow { row, column, why })) = (raises, details.first()) {
        return Err(Error::invalid(format!("column {column:?}, row {row}: {why}")));
    }
    details.dedup_by_key(|d| d.row);
    details.truncate(KEPT);
    let skipped_rows = keep.iter().flatten().filter(|k| !**k).count() as u64;
    Ok(Settled { keep, skipped: details, skipped_rows })
}

//! The head: recent rows in memory, per series, in sealed compressed chunks plus an open tail.
//!
//! The log holds the same rows until a flush has put them into segments.

mod series;

use std::collections::HashMap;
use std::sync::Arc;

use crate::chunk::Part;
use crate::error::Result;
use crate::model::{Batch, SeriesId, SeriesKey, TableSchema, TimeRange};
use series::HeadSeries;

/// One series of a captured head with its parts.
#[derive(Clone, Debug)]
pub struct CapturedSeries {
    /// Its id.
    pub id: SeriesId,
    /// Its tags.
    pub key: Arc<SeriesKey>,
    /// Its rows.
    pub parts: Vec<Part>,
}

/// Recent rows of every table.
#[derive(Debug, Default)]
pub struct Head {
    tables: HashMap<String, HeadTable>,
    memory: usize,
}

/// Recent rows of one table.
#[derive(Debug, Default)]
pub struct HeadTable {
    index: HashMap<SeriesId, u32, foldhash::fast::RandomState>,
    series: Vec<HeadSeries>,
    /// For each tag, by value, the series that hold it.
    postings: Vec<HashMap<Option<Box<str>>, Vec<u32>>>,
    span: Option<(i64, i64)>,
    rows: u64,
}

impl Head {
    /// Takes in the rows of a batch. `schema` knows all of its fields.
    ///
    /// # Errors
    /// [`crate::Error::Internal`] when the batch names a field or tag that the schema lacks.
    pub fn apply(&mut self, schema: &TableSchema, batch: &Batch) -> Result<()> {
        if !self.tables.contains_key(batch.table()) {
            self.tables.insert(batch.table().to_owned(), HeadTable::default());
        }
        if let Some(table) = self.tables.get_mut(batch.table()) {
            self.memory += table.apply(schema, batch)?;
        }
        Ok(())
    }

    /// The rows of one table, where it has any.
    pub fn table(&self, name: &str) -> Option<&HeadTable> {
        self.tables.get(name)
    }

    /// The names of the tables that have rows here.
    pub fn tables(&self) -> impl Iterator<Item = &str> {
        self.tables.keys().map(String::as_str)
    }

    /// Bytes that the rows hold in memory, about.
    pub fn memory(&self) -> usize {
        self.memory
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }
}

impl HeadTable {
    fn apply(&mut self, schema: &TableSchema, batch: &Batch) -> Result<usize> {
        let fields = series::BatchFields::new(schema, batch)?;
        let before = self.series.len();
        let mut grown = 0;
        let mut slots = Vec::with_capacity(batch.series().len());
        for key in batch.series() {
            let at = self.series_index(schema, key);
            let group = self.series[at as usize].group(schema, &fields);
            slots.push((at as usize, group));
        }
        grown += (self.series.len() - before) * (200 + 32 * schema.tags.len());
        for (row, (time, series)) in batch.times().iter().zip(batch.series_of()).enumerate() {
            let (at, group) = slots[*series as usize];
            grown += self.series[at].push(group, *time, row, &fields, schema);
            let (first, last) = self.span.unwrap_or((*time, *time));
            self.span = Some((first.min(*time), last.max(*time)));
        }
        self.rows += batch.rows() as u64;
        Ok(grown)
    }

    fn series_index(&mut self, schema: &TableSchema, key: &SeriesKey) -> u32 {
        let id = key.id(&schema.name, &schema.tags);
        if let Some(at) = self.index.get(&id) {
            return *at;
        }
        let at = u32::try_from(self.series.len()).expect("a head holds far fewer series");
        let padded: Vec<Option<&str>> = (0..schema.tags.len())
            .map(|tag| key.tags.get(tag).and_then(Option::as_deref))
            .collect();
        while self.postings.len() < padded.len() {
            // Series from before a tag was known lack it.
            let older = (0..at).collect::<Vec<_>>();
            self.postings.push(HashMap::from([(None, older)]));
        }
        for (tag, value) in padded.iter().enumerate() {
            self.postings[tag].entry(value.map(Box::from)).or_default().push(at);
        }
        self.series.push(HeadSeries::new(id, Arc::new(SeriesKey::new(padded))));
        self.index.insert(id, at);
        at
    }

    /// How many series there are.
    pub fn series_count(&self) -> usize {
        self.series.len()
    }

    /// How many rows there are.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The earliest and the latest time.
    pub fn span(&self) -> Option<(i64, i64)> {
        self.span
    }

    /// The latest time of a series.
    pub fn last_time(&self, id: SeriesId) -> Option<i64> {
        self.index.get(&id).and_then(|at| self.series[*at as usize].last_time())
    }

    /// The parts of one series that overlap `range`, in order of arrival from `order` on.
    pub fn parts_of(&self, id: SeriesId, order: u64, range: TimeRange) -> Vec<Part> {
        self.index
            .get(&id)
            .map_or_else(Vec::new, |at| self.series[*at as usize].parts(order, range))
    }

    /// The series that pass: for each named tag (by position) one of the values.
    pub fn select(&self, any_of: &[(usize, Vec<Option<String>>)]) -> Vec<u32> {
        let mut passing: Option<Vec<u32>> = None;
        for (tag, values) in any_of {
            let Some(postings) = self.postings.get(*tag) else {
                // Every series here is older than the tag.
                if values.contains(&None) {
                    continue;
                }
                return Vec::new();
            };
            let mut any: Vec<u32> = values
                .iter()
                .filter_map(|value| postings.get(&value.as_deref().map(Box::from)))
                .flatten()
                .copied()
                .collect();
            any.sort_unstable();
            any.dedup();
            passing = Some(match passing {
                None => any,
                Some(before) => {
                    before.into_iter().filter(|at| any.binary_search(at).is_ok()).collect()
                }
            });
        }
        passing.unwrap_or_else(|| (0..self.series.len() as u32).collect())
    }

    /// The id and tags of a series by its position.
    pub fn series(&self, at: u32) -> (SeriesId, &Arc<SeriesKey>) {
        let series = &self.series[at as usize];
        (series.id(), series.key())
    }

    /// Copies the series that pass and have rows in `range`, so that later writes don't show.
    pub fn capture(
        &self,
        any_of: &[(usize, Vec<Option<String>>)],
        order: u64,
        range: TimeRange,
    ) -> Vec<CapturedSeries> {
        if self.span.is_none_or(|(first, last)| !range.overlaps(first, last)) {
            return Vec::new();
        }
        self.select(any_of)
            .into_iter()
            .map(|at| {
                let series = &self.series[at as usize];
                let parts = series.parts(order, range);
                CapturedSeries { id: series.id(), key: Arc::clone(series.key()), parts }
            })
            .filter(|captured| !captured.parts.is_empty())
            .collect()
    }
}

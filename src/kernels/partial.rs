//! Partial aggregates: what remains of the rows of a series and a bucket of time when the rows are
//! gone. They are rows themselves, of a table with a field for each figure of each field.
//!
//! Several rows of one bucket are of different rows that once were, and add up.

use std::sync::Arc;

use super::guard::Guard;
use super::merge::{Group, Rows, merge_parts_guarded};
use crate::chunk::{BoolStats, Ends, FloatStats, IntStats, Part, Stats, StrStats};
use crate::error::{Error, Result};
use crate::model::{Column, Duplicates, FieldDef, FieldType, TimeRange, Timestamp, Value, Values};

/// The figures of the rows: how many, and the times of the first and the last.
const OF_ROWS: [(&str, FieldType); 3] =
    [("*.rows", FieldType::I64), ("*.first_time", FieldType::I64), ("*.last_time", FieldType::I64)];

/// The figures of a field by its type, in the order of their fields.
const fn figures(ty: FieldType) -> &'static [(&'static str, FieldType)] {
    use FieldType::{Bool, F64, I64, Str};
    match ty {
        F64 => &[
            ("count", I64),
            ("nans", I64),
            ("sum", F64),
            ("min", F64),
            ("max", F64),
            ("m2", F64),
            ("first", F64),
            ("first_time", I64),
            ("last", F64),
            ("last_time", I64),
            ("increase", F64),
        ],
        I64 => &[
            ("count", I64),
            ("sum_high", I64),
            ("sum_low", I64),
            ("min", I64),
            ("max", I64),
            ("m2", F64),
            ("first", I64),
            ("first_time", I64),
            ("last", I64),
            ("last_time", I64),
            ("increase", F64),
        ],
        Bool => &[
            ("count", I64),
            ("trues", I64),
            ("first", Bool),
            ("first_time", I64),
            ("last", Bool),
            ("last_time", I64),
        ],
        Str => &[
            ("count", I64),
            ("min", Str),
            ("max", Str),
            ("first", Str),
            ("first_time", I64),
            ("last", Str),
            ("last_time", I64),
        ],
    }
}

/// The fields of the table that holds the partial aggregates of these fields. More fields only ever
/// append to them.
pub fn partial_fields(fields: &[FieldDef]) -> Vec<FieldDef> {
    let of_rows = OF_ROWS.iter().map(|(name, ty)| FieldDef { name: (*name).to_owned(), ty: *ty });
    let of_fields = fields.iter().flat_map(|field| {
        figures(field.ty).iter().map(|(figure, ty)| {
            // A figure's name has no dot: no two fields have one of the same name.
            FieldDef { name: format!("{}.{figure}", field.name), ty: *ty }
        })
    });
    of_rows.chain(of_fields).collect()
}

/// The types of [`partial_fields`], and where each field's begin.
fn layout(types: &[FieldType]) -> (Vec<FieldType>, Vec<usize>) {
    let mut all: Vec<FieldType> = OF_ROWS.iter().map(|(_, ty)| *ty).collect();
    let mut starts = Vec::with_capacity(types.len());
    for &ty in types {
        starts.push(all.len());
        all.extend(figures(ty).iter().map(|(_, ty)| *ty));
    }
    (all, starts)
}

/// What remains of the points of one field in one bucket.
#[derive(Clone, Debug, PartialEq)]
pub struct Partial {
    /// Their statistics.
    pub stats: Stats,
    /// What a counter went up by from the first to the last; 0 for what is no number.
    pub increase: f64,
}

/// Partial aggregates of one series, ascending in time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Partials {
    /// Where each bucket starts.
    pub times: Vec<Timestamp>,
    /// How many rows it had.
    pub rows: Vec<u64>,
    /// The times of its first and its last row.
    pub spans: Vec<(Timestamp, Timestamp)>,
    /// By field id, ascending: of each bucket what remains of the field's points.
    pub fields: Vec<(usize, Vec<Option<Partial>>)>,
}

impl Partials {
    /// Those of a series, of `fields` (ids, ascending), whose buckets start in `range`. `parts` are
    /// of the table of aggregates, `types` those of the fields of the table that they are of.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when a block does not decode or its figures cannot be, and as the guard
    /// decides.
    pub fn of(
        parts: &[Part],
        range: TimeRange,
        types: &[FieldType],
        fields: &[usize],
        guard: &dyn Guard,
    ) -> Result<Self> {
        let (all, starts) = layout(types);
        let mut wanted: Vec<usize> = (0..OF_ROWS.len()).collect();
        let mut places = Vec::with_capacity(fields.len());
        for &field in fields {
            let (Some(&ty), Some(&start)) = (types.get(field), starts.get(field)) else {
                return Err(Error::Internal(format!("field {field} of {}", types.len())));
            };
            places.push((field, ty, wanted.len()));
            wanted.extend(start..start + figures(ty).len());
        }
        let fields = places.iter().map(|(field, ..)| (*field, Vec::new())).collect();
        let mut out = Self { fields, ..Self::default() };
        for part in parts {
            // One by one: rows of one time stay in the order in which they arrived.
            let part = std::slice::from_ref(part);
            let rows = merge_parts_guarded(part, range, &wanted, &all, Duplicates::Keep, guard)?;
            let cells = Cells { columns: &rows.columns };
            for row in 0..rows.times.len() {
                out.rows.push(cells.count(0, row)?);
                out.spans.push((cells.int(1, row)?, cells.int(2, row)?));
                for ((_, ty, at), (_, partials)) in places.iter().zip(&mut out.fields) {
                    partials.push(cells.partial(*ty, *at, row)?);
                }
            }
            out.times.extend(rows.times);
        }
        Ok(out.in_order())
    }

    fn in_order(self) -> Self {
        if self.times.is_sorted() {
            return self;
        }
        let mut order: Vec<usize> = (0..self.times.len()).collect();
        order.sort_by_key(|&row| self.times[row]);
        let sorted = |(field, mut partials): (usize, Vec<Option<Partial>>)| {
            (field, order.iter().map(|&row| partials[row].take()).collect())
        };
        Self {
            times: order.iter().map(|&row| self.times[row]).collect(),
            rows: order.iter().map(|&row| self.rows[row]).collect(),
            spans: order.iter().map(|&row| self.spans[row]).collect(),
            fields: self.fields.into_iter().map(sorted).collect(),
        }
    }

    /// Bytes that they take, about.
    pub fn bytes(&self) -> usize {
        let row = 32 + self.fields.len() * size_of::<Option<Partial>>();
        self.times.len() * row
    }

    /// Of field `field` in bucket `row`.
    pub fn get(&self, field: usize, row: usize) -> Option<&Partial> {
        let at = self.fields.binary_search_by_key(&field, |(id, _)| *id).ok()?;
        self.fields[at].1.get(row)?.as_ref()
    }

    /// As rows of the table of aggregates; `types` are those of the fields that they are of.
    pub fn into_group(self, types: &[FieldType]) -> Group {
        let (all, starts) = layout(types);
        let mut fields: Vec<usize> = (0..OF_ROWS.len()).collect();
        let int = |values: Vec<i64>| Column::new(Values::I64(values));
        let mut columns = vec![
            int(self.rows.iter().map(|rows| *rows as i64).collect()),
            int(self.spans.iter().map(|span| span.0).collect()),
            int(self.spans.iter().map(|span| span.1).collect()),
        ];
        for (field, partials) in &self.fields {
            if partials.iter().all(Option::is_none) {
                continue;
            }
            let start = starts[*field];
            let width = figures(types[*field]).len();
            let mut own: Vec<Column> =
                all[start..start + width].iter().map(|&ty| Column::empty(ty)).collect();
            for partial in partials {
                match partial {
                    Some(partial) => partial.push(&mut own),
                    None => own.iter_mut().for_each(Column::push_null),
                }
            }
            fields.extend(start..start + width);
            columns.append(&mut own);
        }
        Group { fields, rows: Rows { times: self.times, columns } }
    }

    /// The latest point of these fields and of each its value, where it has one at that time; of
    /// buckets whose last point lies in `range`.
    pub fn latest(&self, range: TimeRange) -> Option<(Timestamp, Vec<Option<Value>>)> {
        let ends = |row: usize| {
            let last = move |(_, partials): &(usize, Vec<Option<Partial>>)| {
                partials[row].as_ref().map(|partial| partial.last())
            };
            self.fields.iter().map(last)
        };
        let newest = |row| ends(row).flatten().map(|(time, _)| time).max();
        // Of one bucket several rows may have the newest time: the one that arrived last counts.
        let times = (0..self.times.len()).filter_map(|row| Some((newest(row)?, row)));
        let (time, row) = times.filter(|(time, _)| range.contains(*time)).max()?;
        let at_that_time =
            |end: Option<(Timestamp, Value)>| end.filter(|end| end.0 == time).map(|end| end.1);
        Some((time, ends(row).map(at_that_time).collect()))
    }
}

impl Partial {
    /// The time and the value of the last point.
    fn last(&self) -> (Timestamp, Value) {
        match &self.stats {
            Stats::F64(s) => (s.ends.last_time, Value::F64(s.ends.last)),
            Stats::I64(s) => (s.ends.last_time, Value::I64(s.ends.last)),
            Stats::Bool(s) => (s.ends.last_time, Value::Bool(s.ends.last)),
            Stats::Str(s) => (s.ends.last_time, Value::Str(s.ends.last.as_str().into())),
        }
    }

    /// Appends its figures, one to each column.
    fn push(&self, columns: &mut [Column]) {
        let mut columns = columns.iter_mut();
        let mut put = |value: Value| {
            if let Some(column) = columns.next() {
                column.push_value(Some(&value));
            }
        };
        let int = |n: u64| Value::I64(n as i64);
        match &self.stats {
            Stats::F64(s) => {
                put(int(s.count));
                put(int(s.nans));
                [s.sum, s.min, s.max, s.m2].into_iter().for_each(|v| put(Value::F64(v)));
                put(Value::F64(s.ends.first));
                put(Value::I64(s.ends.first_time));
                put(Value::F64(s.ends.last));
                put(Value::I64(s.ends.last_time));
                put(Value::F64(self.increase));
            }
            Stats::I64(s) => {
                put(int(s.count));
                put(Value::I64((s.sum >> 64) as i64));
                put(Value::I64(s.sum as i64));
                put(Value::I64(s.min));
                put(Value::I64(s.max));
                put(Value::F64(s.m2));
                put(Value::I64(s.ends.first));
                put(Value::I64(s.ends.first_time));
                put(Value::I64(s.ends.last));
                put(Value::I64(s.ends.last_time));
                put(Value::F64(self.increase));
            }
            Stats::Bool(s) => {
                put(int(s.count));
                put(int(s.trues));
                put(Value::Bool(s.ends.first));
                put(Value::I64(s.ends.first_time));
                put(Value::Bool(s.ends.last));
                put(Value::I64(s.ends.last_time));
            }
            Stats::Str(s) => {
                put(int(s.count));
                put(Value::Str(s.min.as_str().into()));
                put(Value::Str(s.max.as_str().into()));
                put(Value::Str(s.ends.first.as_str().into()));
                put(Value::I64(s.ends.first_time));
                put(Value::Str(s.ends.last.as_str().into()));
                put(Value::I64(s.ends.last_time));
            }
        }
    }
}

/// Figures as they were decoded.
struct Cells<'a> {
    columns: &'a [Column],
}

impl Cells<'_> {
    fn get(&self, column: usize, row: usize) -> Option<Value> {
        self.columns.get(column)?.get(row)
    }

    fn int(&self, column: usize, row: usize) -> Result<i64> {
        match self.get(column, row) {
            Some(Value::I64(value)) => Ok(value),
            _ => Err(missing(column)),
        }
    }

    fn count(&self, column: usize, row: usize) -> Result<u64> {
        let count = self.int(column, row)?;
        u64::try_from(count).map_err(|_| Error::corrupt(format!("an aggregate of {count} points")))
    }

    /// A count of some of `all`.
    fn some_of(&self, all: u64, column: usize, row: usize) -> Result<u64> {
        let some = self.count(column, row)?;
        if some <= all {
            return Ok(some);
        }
        Err(Error::corrupt(format!("an aggregate of {some} among {all} points")))
    }

    fn double(&self, column: usize, row: usize) -> Result<f64> {
        match self.get(column, row) {
            Some(Value::F64(value)) => Ok(value),
            _ => Err(missing(column)),
        }
    }

    fn truth(&self, column: usize, row: usize) -> Result<bool> {
        match self.get(column, row) {
            Some(Value::Bool(value)) => Ok(value),
            _ => Err(missing(column)),
        }
    }

    fn text(&self, column: usize, row: usize) -> Result<String> {
        match self.get(column, row) {
            Some(Value::Str(value)) => Ok(value),
            _ => Err(missing(column)),
        }
    }

    /// The figures of a field, the first of which stands in column `at`.
    fn partial(&self, ty: FieldType, at: usize, row: usize) -> Result<Option<Partial>> {
        if self.get(at, row).is_none() {
            return Ok(None);
        }
        let count = self.count(at, row)?;
        if count == 0 {
            return Ok(None);
        }
        let mut increase = 0.0;
        let stats = match ty {
            FieldType::F64 => {
                increase = self.double(at + 10, row)?;
                Stats::F64(FloatStats {
                    count,
                    nans: self.some_of(count, at + 1, row)?,
                    sum: self.double(at + 2, row)?,
                    min: self.double(at + 3, row)?,
                    max: self.double(at + 4, row)?,
                    m2: self.double(at + 5, row)?,
                    ends: Ends {
                        first: self.double(at + 6, row)?,
                        first_time: self.int(at + 7, row)?,
                        last: self.double(at + 8, row)?,
                        last_time: self.int(at + 9, row)?,
                    },
                })
            }
            FieldType::I64 => {
                increase = self.double(at + 10, row)?;
                let (high, low) = (self.int(at + 1, row)?, self.int(at + 2, row)?);
                Stats::I64(IntStats {
                    count,
                    sum: (i128::from(high) << 64) | i128::from(low as u64),
                    min: self.int(at + 3, row)?,
                    max: self.int(at + 4, row)?,
                    m2: self.double(at + 5, row)?,
                    ends: Ends {
                        first: self.int(at + 6, row)?,
                        first_time: self.int(at + 7, row)?,
                        last: self.int(at + 8, row)?,
                        last_time: self.int(at + 9, row)?,
                    },
                })
            }
            FieldType::Bool => Stats::Bool(BoolStats {
                count,
                trues: self.some_of(count, at + 1, row)?,
                ends: Ends {
                    first: self.truth(at + 2, row)?,
                    first_time: self.int(at + 3, row)?,
                    last: self.truth(at + 4, row)?,
                    last_time: self.int(at + 5, row)?,
                },
            }),
            FieldType::Str => Stats::Str(StrStats {
                count,
                min: self.text(at + 1, row)?,
                max: self.text(at + 2, row)?,
                ends: Ends {
                    first: self.text(at + 3, row)?,
                    first_time: self.int(at + 4, row)?,
                    last: self.text(at + 5, row)?,
                    last_time: self.int(at + 6, row)?,
                },
            }),
        };
        Ok(Some(Partial { stats, increase }))
    }
}

fn missing(column: usize) -> Error {
    Error::corrupt(format!("an aggregate without its figure {column}"))
}

/// Makes partial aggregates of rows and of finer or equal partial aggregates of one series.
#[derive(Debug)]
pub struct Roller {
    types: Arc<[FieldType]>,
    /// Statistics are taken from blocks where these have them, and so come out as in a query.
    statistics: super::Accumulator,
    /// What counters went up by needs every point.
    course: super::Accumulator,
}

impl Roller {
    /// For a table with fields of these types, in buckets of `step` nanoseconds.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when `step` is not positive.
    pub fn new(types: Arc<[FieldType]>, step: i64) -> Result<Self> {
        let bucketing = super::Bucketing::even(step, 0)?;
        let of = |plan: super::Plan| {
            super::Accumulator::new(Arc::new(plan), Arc::clone(&types), bucketing.clone())
        };
        let (statistics, course) =
            (of(super::Plan::to_roll_up(&types)), of(super::Plan::of_courses(&types)));
        Ok(Self { types, statistics, course })
    }

    /// Takes in partial aggregates that are there; before any rows.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where they do not fit the fields.
    pub fn take_partials(&mut self, partials: &Partials) -> Result<()> {
        self.statistics.take_partials(partials)?;
        self.course.take_partials(partials)
    }

    /// Takes in the rows of `parts` in `range`, and gives all that was taken in as partial
    /// aggregates.
    ///
    /// # Errors
    /// As [`super::Accumulator::fold_series`].
    pub fn roll(
        mut self,
        parts: &[Part],
        range: TimeRange,
        duplicates: Duplicates,
        guard: &dyn Guard,
    ) -> Result<Partials> {
        self.statistics.fold_series(parts, range, duplicates, None, guard)?;
        self.course.fold_series(parts, range, duplicates, None, guard)?;
        self.statistics.partials(&self.course, self.types.len())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::kernels::Unguarded;

    const TYPES: [FieldType; 4] = [FieldType::F64, FieldType::I64, FieldType::Bool, FieldType::Str];

    fn ends<T>(first: T, last: T) -> Ends<T> {
        Ends { first, first_time: 3, last, last_time: 9 }
    }

    fn some() -> Partials {
        let of = |stats, increase| vec![None, Some(Partial { stats, increase })];
        let (low, high) = (f64::NEG_INFINITY, -0.0);
        let doubles = FloatStats {
            count: 3,
            nans: 1,
            min: low,
            max: high,
            sum: 1.5,
            m2: 0.25,
            ends: ends(high, low),
        };
        let longs = IntStats {
            count: 4,
            min: i64::MIN,
            max: i64::MAX,
            sum: i128::from(i64::MIN) * 3 - 1,
            m2: 7.0,
            ends: ends(i64::MAX, i64::MIN),
        };
        let truths = BoolStats { count: 2, trues: 1, ends: ends(true, false) };
        let text = |text: &str| text.to_owned();
        let texts = StrStats {
            count: 2,
            min: text(""),
            max: text("zebra"),
            ends: ends(text("zebra"), text("")),
        };
        Partials {
            times: vec![i64::MIN, 0],
            rows: vec![1, 5],
            spans: vec![(i64::MIN, i64::MIN), (3, 9)],
            fields: vec![
                (0, of(Stats::F64(doubles), 2.5)),
                (1, of(Stats::I64(longs), -1.0)),
                (2, of(Stats::Bool(truths), 0.0)),
                (3, of(Stats::Str(texts), 0.0)),
            ],
        }
    }

    #[test]
    fn figures_come_back_as_they_were() {
        let part = some().into_group(&TYPES).into_part(0);
        let all: Vec<usize> = (0..TYPES.len()).collect();
        let range = TimeRange::ALL;
        let parts = [part];
        let back = Partials::of(&parts, range, &TYPES, &all, &Unguarded).unwrap();
        assert_eq!(back, some());
        let one = Partials::of(&parts, TimeRange::new(Some(0), None), &TYPES, &[2], &Unguarded);
        let one = one.unwrap();
        assert_eq!((one.times.as_slice(), one.rows.as_slice()), (&[0][..], &[5][..]));
        assert_eq!(one.get(2, 0), some().get(2, 1));
        assert_eq!(one.get(1, 0), None);
    }

    #[test]
    fn fields_of_aggregates_are_only_ever_appended() {
        let field = |name: &str, ty| FieldDef { name: name.to_owned(), ty };
        let mut fields = vec![field("usage", FieldType::F64)];
        let before = partial_fields(&fields);
        assert_eq!(before.len(), 14);
        assert_eq!((before[0].name.as_str(), before[5].name.as_str()), ("*.rows", "usage.sum"));
        fields.extend(TYPES.map(|ty| field(ty.name(), ty)));
        let after = partial_fields(&fields);
        assert_eq!(after[..14], before);
        assert_eq!(after.len(), 14 + 11 + 11 + 6 + 7);
    }

    #[test]
    fn figures_that_cannot_be_are_corrupt() {
        for (column, value) in [(3, -1), (4, 4), (0, -1), (14, -5), (26, 3)] {
            let mut group = some().into_group(&TYPES);
            let Values::I64(values) = &mut group.rows.columns[column].values else {
                panic!("column {column} is of integers")
            };
            values[1] = value;
            let all: Vec<usize> = (0..TYPES.len()).collect();
            let parts = [group.into_part(0)];
            let found = Partials::of(&parts, TimeRange::ALL, &TYPES, &all, &Unguarded);
            assert!(matches!(found, Err(Error::Corrupt { .. })), "{column} {value}: {found:?}");
        }
    }
}

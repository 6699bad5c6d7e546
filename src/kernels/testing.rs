//! Random parts, and the flat list of rows that they stand for: the naive side of every test.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::{Function, Rows, merge_parts, percentile};
use crate::chunk::{Chunk, Part, PartData, PlainChunk};
use crate::model::{Column, Duplicates, FieldType, TimeRange, Timestamp, Value, Values};

/// The types of the fields of the tables under test.
pub(crate) const TYPES: [FieldType; 5] =
    [FieldType::F64, FieldType::I64, FieldType::Bool, FieldType::Str, FieldType::F64];

const SETS: [&[usize]; 8] = [&[0, 1, 2, 3, 4], &[0], &[1], &[0, 4], &[1, 3], &[2, 4], &[3], &[]];

/// How one part is drawn.
#[derive(Clone, Debug)]
pub(crate) struct PartSpec {
    seed: u64,
    rows: usize,
    set: usize,
    start: i64,
    step: u64,
    nulls: u64,
    deleted: Vec<(i64, i64)>,
}

/// SplitMix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

fn value(random: &mut Random, ty: FieldType) -> Value {
    match ty {
        FieldType::F64 => Value::F64(match random.below(40) {
            0 => f64::NAN,
            1 => -0.0,
            2..=12 => random.below(5) as f64,
            _ => random.below(2_000_000) as f64 / 1000.0 - 1000.0,
        }),
        FieldType::I64 => Value::I64(random.below(2001) as i64 - 1000),
        FieldType::Bool => Value::Bool(random.below(2) == 1),
        FieldType::Str => {
            Value::Str(["", "a", "on", "off", "zürich"][random.below(5) as usize].into())
        }
    }
}

impl PartSpec {
    pub(crate) fn build(&self, order: u64) -> Part {
        let mut random = Random(self.seed);
        let mut times = Vec::with_capacity(self.rows);
        let mut at = self.start;
        for _ in 0..self.rows {
            times.push(at);
            at += random.below(self.step + 1) as i64;
        }
        let fields = SETS[self.set];
        let columns = fields
            .iter()
            .map(|&field| {
                let mut column = Column::empty(TYPES[field]);
                for _ in 0..self.rows {
                    if random.below(100) < self.nulls {
                        column.push_null();
                    } else {
                        push(&mut column, &value(&mut random, TYPES[field]));
                    }
                }
                column
            })
            .collect();
        let deleted = self.deleted.iter().map(|&(a, n)| TimeRange::new(Some(a), Some(a + n)));
        Part {
            data: PartData::Plain(Arc::new(PlainChunk { times, columns })),
            fields: fields.into(),
            order,
            deleted: deleted.collect(),
        }
    }
}

/// Appends a value.
pub(crate) fn push(column: &mut Column, value: &Value) {
    let one = match value {
        Value::F64(v) => Values::F64(vec![*v]),
        Value::I64(v) => Values::I64(vec![*v]),
        Value::Bool(v) => Values::Bool(vec![*v]),
        Value::Str(v) => Values::Str(std::iter::once(v).collect()),
    };
    column.push_from(&Column::new(one), 0);
}

fn spec(sets: std::ops::Range<usize>) -> impl Strategy<Value = PartSpec> {
    let rows = prop_oneof![6 => 0..30usize, 1 => 900..2600usize];
    let nulls = prop_oneof![Just(0u64), Just(20), Just(100)];
    let deleted = prop_oneof![
        3 => Just(vec![]),
        1 => prop::collection::vec((-60..3000i64, 0..400i64), 1..3),
    ];
    let start = prop_oneof![2 => -60..60i64, 1 => 0..2000i64];
    (any::<u64>(), rows, sets, start, 0..4u64, nulls, deleted).prop_map(
        |(seed, rows, set, start, step, nulls, deleted)| PartSpec {
            seed,
            rows,
            set,
            start,
            step,
            nulls,
            deleted,
        },
    )
}

/// The parts of one series by arrival: of one wide group, or of any groups.
pub(crate) fn parts() -> impl Strategy<Value = Vec<Part>> {
    let specs = prop_oneof![
        prop::collection::vec(spec(0..1), 0..4),
        prop::collection::vec(spec(0..SETS.len()), 0..6),
    ];
    specs.prop_map(|specs| (0..).zip(&specs).map(|(order, spec)| spec.build(order)).collect())
}

/// A range, often of everything.
pub(crate) fn range() -> impl Strategy<Value = TimeRange> {
    prop_oneof![
        Just(TimeRange::ALL),
        (-100..3000i64, 0..1500i64).prop_map(|(a, n)| TimeRange::new(Some(a), Some(a + n))),
        (-100..100i64).prop_map(|a| TimeRange::new(Some(a), None)),
    ]
}

/// A live row as it was written.
#[derive(Clone, Debug)]
pub(crate) struct FlatRow {
    pub(crate) time: Timestamp,
    pub(crate) fields: Vec<usize>,
    /// One slot a field of the table.
    pub(crate) values: Vec<Option<Value>>,
}

/// All live rows in `range` by arrival.
pub(crate) fn flat(parts: &[Part], range: TimeRange) -> Vec<FlatRow> {
    let mut rows = Vec::new();
    for part in parts {
        let (mut times, blocks) = (Vec::new(), part.data.blocks());
        let mut columns: Vec<Column> =
            part.fields.iter().map(|&field| Column::empty(TYPES[field])).collect();
        for block in 0..blocks {
            part.data.decode_times(block, &mut times).expect("decodes");
            for (at, column) in columns.iter_mut().enumerate() {
                part.data.decode_column(at, block, column).expect("decodes");
            }
        }
        for (row, &time) in times.iter().enumerate() {
            if range.contains(time) && !part.deleted.iter().any(|d| d.contains(time)) {
                let mut values = vec![None; TYPES.len()];
                for (&field, column) in part.fields.iter().zip(&columns) {
                    values[field] = column.get(row);
                }
                rows.push(FlatRow { time, fields: part.fields.to_vec(), values });
            }
        }
    }
    rows
}

/// A value that compares bit for bit.
pub(crate) fn exact(value: &Option<Value>) -> String {
    match value {
        Some(Value::F64(v)) => format!("{v} {:016x}", v.to_bits()),
        other => format!("{other:?}"),
    }
}

/// Every function of one field's points, whatever their series; percentiles by example.
pub(crate) const FUNCTIONS: [Function; 20] = [
    Function::Count,
    Function::Sum,
    Function::Mean,
    Function::Min,
    Function::Max,
    Function::Std,
    Function::Var,
    Function::First,
    Function::Last,
    Function::Median,
    Function::Percentile(0.0),
    Function::Percentile(95.0),
    Function::Percentile(99.9),
    Function::StdPop,
    Function::VarPop,
    Function::Distinct,
    Function::Mode,
    Function::ApproxPercentile(0.0),
    Function::ApproxPercentile(50.0),
    Function::ApproxPercentile(95.0),
];

/// The functions of points in the order of time.
pub(crate) const COURSES: [Function; 5] = [
    Function::Increase,
    Function::Rate,
    Function::Delta,
    Function::TimeWeighted,
    Function::TimeWeightedLinear,
];

/// What `function` of [`COURSES`] makes of the points of several series, each by time.
pub(crate) fn course_of(series: &[Vec<(Timestamp, f64)>], function: Function) -> Option<f64> {
    let nan = series.iter().flatten().any(|(_, value)| value.is_nan());
    let whole = |value: f64| Some(if nan { f64::NAN } else { value });
    let long: Vec<_> = series.iter().filter(|points| points.len() >= 2).collect();
    let lasting = |points: &[(Timestamp, f64)]| (points[points.len() - 1].0 - points[0].0) as f64;
    let increase = |points: &[(Timestamp, f64)]| -> f64 {
        points.windows(2).map(|w| if w[1].1 < w[0].1 { w[1].1 } else { w[1].1 - w[0].1 }).sum()
    };
    match function {
        Function::Delta if !long.is_empty() => {
            whole(long.iter().map(|p| p[p.len() - 1].1 - p[0].1).sum())
        }
        Function::Increase if !long.is_empty() => whole(long.iter().map(|p| increase(p)).sum()),
        Function::Rate => {
            let long: Vec<_> = long.iter().filter(|p| lasting(p) > 0.0).collect();
            let sum = long.iter().map(|p| increase(p) / (lasting(p) / 1e9)).sum();
            if long.is_empty() { None } else { whole(sum) }
        }
        Function::TimeWeighted | Function::TimeWeightedLinear => {
            let (mut area, mut duration) = (0.0, 0.0);
            for w in series.iter().flat_map(|points| points.windows(2)) {
                let held = (w[1].0 - w[0].0) as f64;
                let value = match function {
                    Function::TimeWeighted => w[0].1,
                    _ => (w[0].1 + w[1].1) / 2.0,
                };
                area += if held > 0.0 { value * held } else { 0.0 };
                duration += held;
            }
            let all: Vec<f64> = series.iter().flatten().map(|p| p.1).collect();
            match duration > 0.0 {
                true => whole(area / duration),
                false if all.is_empty() => None,
                false => whole(all.iter().sum::<f64>() / all.len() as f64),
            }
        }
        _ => None,
    }
}

/// The points of a field by arrival, duplicates resolved.
pub(crate) fn points_of(
    rows: Vec<FlatRow>,
    field: usize,
    duplicates: Duplicates,
) -> Vec<(Timestamp, Value)> {
    let points = rows.into_iter().filter_map(|row| Some((row.time, row.values[field].clone()?)));
    match duplicates {
        Duplicates::Keep => points.collect(),
        Duplicates::Last => points.collect::<BTreeMap<_, _>>().into_iter().collect(),
    }
}

/// What `function` makes of points that come by arrival.
pub(crate) fn aggregate_points(
    points: &[(Timestamp, Value)],
    function: Function,
    ty: FieldType,
) -> Option<Value> {
    let count = points.len() as f64;
    let same = |a: &Value, b: &Value| match (a, b) {
        (Value::F64(a), Value::F64(b)) => a == b || (a.is_nan() && b.is_nan()),
        (a, b) => a == b,
    };
    let mut distinct: Vec<(Value, usize)> = Vec::new();
    for (_, value) in points {
        match distinct.iter_mut().find(|(known, _)| same(known, value)) {
            Some((_, n)) => *n += 1,
            None => distinct.push((value.clone(), 1)),
        }
    }
    match function {
        Function::Count => return Some(Value::I64(points.len() as i64)),
        Function::Distinct => return Some(Value::I64(distinct.len() as i64)),
        _ => {}
    }
    let mut by_time: Vec<&(Timestamp, Value)> = points.iter().collect();
    by_time.sort_by_key(|p| p.0);
    let first = by_time.first()?.1.clone();
    let last = by_time.last()?.1.clone();
    let number = |value: &Value| match value {
        Value::F64(v) => *v,
        Value::I64(v) => *v as f64,
        Value::Bool(v) => f64::from(u8::from(*v)),
        Value::Str(_) => 0.0,
    };
    let numbers: Vec<f64> = points.iter().map(|p| number(&p.1)).collect();
    let sum: f64 = numbers.iter().sum();
    let variance = || {
        let squares: f64 = numbers.iter().map(|v| (v - sum / count).powi(2)).sum();
        (points.len() >= 2).then(|| squares / (count - 1.0))
    };
    let pick = |least: bool| {
        let mut best: Option<Value> = None;
        for (_, value) in points {
            let wins = match (&best, value) {
                (None, _) => true,
                (Some(Value::F64(b)), Value::F64(v)) => {
                    b.is_nan() || if least { v < b } else { v > b }
                }
                (Some(Value::I64(b)), Value::I64(v)) => {
                    if least {
                        v < b
                    } else {
                        v > b
                    }
                }
                (Some(Value::Bool(b)), Value::Bool(v)) => {
                    if least {
                        !v & b
                    } else {
                        v & !b
                    }
                }
                (Some(Value::Str(b)), Value::Str(v)) => {
                    if least {
                        v < b
                    } else {
                        v > b
                    }
                }
                _ => false,
            };
            if wins {
                best = Some(value.clone());
            }
        }
        best
    };
    Some(match function {
        Function::Sum if ty == FieldType::F64 => Value::F64(sum),
        Function::Count | Function::Sum => Value::I64(sum as i64),
        Function::Mean => Value::F64(sum / count),
        Function::Min => pick(true)?,
        Function::Max => pick(false)?,
        Function::Mode => {
            let less = |a: &Value, b: &Value| match (a, b) {
                (Value::F64(a), Value::F64(b)) => a < b || (b.is_nan() && !a.is_nan()),
                (Value::I64(a), Value::I64(b)) => a < b,
                (Value::Bool(a), Value::Bool(b)) => a < b,
                (Value::Str(a), Value::Str(b)) => a < b,
                _ => false,
            };
            let mut best = distinct.first()?.clone();
            for (value, n) in distinct {
                if n > best.1 || (n == best.1 && less(&value, &best.0)) {
                    best = (value, n);
                }
            }
            best.0
        }
        Function::VarPop | Function::StdPop => {
            let squares: f64 = numbers.iter().map(|v| (v - sum / count).powi(2)).sum();
            let variance = squares / count;
            Value::F64(if function == Function::VarPop { variance } else { variance.sqrt() })
        }
        Function::ApproxPercentile(percent) => {
            // The closest rank below, NaN last.
            let mut sorted = numbers;
            sorted.sort_by(|a, b| a.is_nan().cmp(&b.is_nan()).then(a.total_cmp(b)));
            Value::F64(sorted[((sorted.len() - 1) as f64 * (percent / 100.0)) as usize])
        }
        Function::Var => Value::F64(variance()?),
        Function::Std => Value::F64(variance()?.sqrt()),
        Function::First => first,
        Function::Last => last,
        Function::Median => Value::F64(percentile::tests::naive(&numbers, 50.0)?),
        Function::Percentile(p) => Value::F64(percentile::tests::naive(&numbers, p)?),
        other => panic!("{other:?} is not of one field's points"),
    })
}

/// Equal as far as the function promises.
pub(crate) fn fits(function: Function, a: &Option<Value>, b: &Option<Value>) -> bool {
    match (function, a, b) {
        (Function::ApproxPercentile(_), Some(Value::F64(a)), Some(Value::F64(b))) => {
            (a.is_nan() && b.is_nan()) || a == b || (a - b).abs() <= 0.00501 * b.abs()
        }
        // -0.0 and 0.0 are one value.
        (Function::Mode, Some(Value::F64(a)), Some(Value::F64(b))) => {
            a == b || (a.is_nan() && b.is_nan())
        }
        _ => agrees(a, b),
    }
}

/// Equal, doubles within the rounding of another order of additions.
pub(crate) fn agrees(a: &Option<Value>, b: &Option<Value>) -> bool {
    match (a, b) {
        (Some(Value::F64(a)), Some(Value::F64(b))) => {
            (a.is_nan() && b.is_nan())
                || a == b
                || (a - b).abs() <= 1e-9 * (1.0 + a.abs().max(b.abs()))
        }
        _ => a == b,
    }
}

/// A row as it is read.
pub(crate) type OutRow = (Timestamp, Vec<Option<Value>>);

fn by_time(rows: Vec<FlatRow>) -> BTreeMap<Timestamp, Vec<FlatRow>> {
    let mut map: BTreeMap<Timestamp, Vec<FlatRow>> = BTreeMap::new();
    rows.into_iter().for_each(|row| map.entry(row.time).or_default().push(row));
    map
}

/// Merging by its definition, word for word.
pub(crate) fn naive(rows: Vec<FlatRow>, fields: &[usize], duplicates: Duplicates) -> Vec<OutRow> {
    let held = |row: &FlatRow| {
        fields.is_empty()
            || fields.iter().any(|f| row.fields.contains(f))
            || (row.fields.is_empty() && fields.len() == TYPES.len())
    };
    let mut out: Vec<OutRow> = Vec::new();
    for (time, mut same) in by_time(rows.into_iter().filter(held).collect()) {
        let mut made: Vec<(Vec<FlatRow>, Vec<Option<Value>>)> = Vec::new();
        if duplicates == Duplicates::Keep {
            same.sort_by(|a, b| a.fields.cmp(&b.fields));
        }
        for row in same {
            let shares = |a: &FlatRow| {
                a.fields == row.fields || a.fields.iter().any(|f| row.fields.contains(f))
            };
            let fits = |there: &[FlatRow]| match duplicates {
                Duplicates::Keep => !there.iter().any(shares),
                Duplicates::Last => true,
            };
            let at = made.iter().position(|(there, _)| fits(there)).unwrap_or_else(|| {
                made.push((Vec::new(), vec![None; TYPES.len()]));
                made.len() - 1
            });
            for (slot, value) in made[at].1.iter_mut().zip(&row.values) {
                if value.is_some() {
                    slot.clone_from(value);
                }
            }
            made[at].0.push(row);
        }
        for (_, values) in made {
            out.push((time, fields.iter().map(|&f| values[f].clone()).collect()));
        }
    }
    out
}

/// A part of given columns.
pub(crate) fn part_with(
    fields: &[usize],
    order: u64,
    times: Vec<Timestamp>,
    columns: Vec<Column>,
) -> Part {
    Part {
        data: PartData::Plain(Arc::new(PlainChunk { times, columns })),
        fields: fields.into(),
        order,
        deleted: Arc::new([]),
    }
}

/// A part of one field of doubles.
pub(crate) fn part_of(fields: &[usize], order: u64, points: &[(Timestamp, f64)]) -> Part {
    let values = points.iter().map(|p| p.1).collect();
    let times = points.iter().map(|p| p.0).collect();
    part_with(fields, order, times, vec![Column::new(Values::F64(values))])
}

/// The parts with some of them encoded, by the bits of `which`. Where the last of duplicates
/// counts, those hold no time twice, as writers promise.
pub(crate) fn mixed(parts: Vec<Part>, duplicates: Duplicates, which: u64) -> Vec<Part> {
    let encode = |(at, part): (usize, Part)| {
        let PartData::Plain(plain) = &part.data else { return part };
        if which >> at & 1 == 0 || plain.times.is_empty() {
            return part;
        }
        let mut rows = Rows { times: plain.times.clone(), columns: plain.columns.clone() };
        if duplicates == Duplicates::Last {
            let alive = Part { deleted: Arc::new([]), ..part.clone() };
            rows = merge_parts(&[alive], TimeRange::ALL, &part.fields, &TYPES, duplicates)
                .expect("merges");
        }
        let mut bytes = Vec::new();
        Chunk::encode(&rows.times, &rows.columns, &[], &mut bytes).expect("rows");
        let chunk = Chunk::open(bytes.into()).expect("opens");
        Part { data: PartData::Encoded(chunk), ..part }
    };
    parts.into_iter().enumerate().map(encode).collect()
}

//! Random queries, each with the answer that a plain reading of the rows gives.

use std::collections::BTreeMap;

use kymograph::chunk::Stats;
use kymograph::db::Database;
use kymograph::model::{Duplicates, FieldType, TimeRange};
use kymograph::query::expr::Operator;
use kymograph::query::{
    Aggregate, AggregateQuery, Bucket, Expr, Fill, Filter, Finish, Function, LastQuery, Literal,
    OrderBy, QueryContext, ReadQuery, SeriesQuery, SumQuery,
};

use crate::common::{Cell, cells};
use crate::condition;
use crate::oracle::aggregate;
use crate::random::Random;
use crate::world::{FIELDS, HOSTS, Key, RACKS, Row, TAGS, World};

/// One verb with its arguments.
#[derive(Debug)]
pub(crate) enum Query {
    Aggregate(AggregateQuery),
    Read(ReadQuery),
    Last(LastQuery),
    Sum(SumQuery),
    Series(SeriesQuery),
}

/// How a column's values must agree.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Agree {
    /// To the bit.
    Bits,
    /// As values: NaN is NaN and zero is zero.
    Value,
    /// But for rounding, of sums of values as large as this.
    Rounded(f64),
    /// The plain reading cannot tell.
    Unknown,
}

/// What must come out.
pub(crate) struct Expected {
    pub(crate) rows: Vec<Vec<Cell>>,
    pub(crate) agree: Vec<Agree>,
    /// Columns of counts: of a table in which the last counts a group without any point may be
    /// there or not.
    pub(crate) counts: Option<Vec<usize>>,
}

impl Query {
    /// Asks a database.
    pub(crate) fn run(&self, db: &Database) -> kymograph::Result<Vec<Vec<Cell>>> {
        let context = QueryContext::default();
        Ok(match self {
            Self::Aggregate(query) => cells(&db.aggregate("t", query, &context)?),
            Self::Read(query) => cells(&db.read("t", query, &context)?),
            Self::Last(query) => cells(&db.last("t", query, &context)?),
            Self::Series(query) => cells(&db.series("t", query, &context)?),
            Self::Sum(query) => match db.sum("t", query, &context)? {
                None => Vec::new(),
                Some(Stats::F64(s)) => vec![vec![
                    Cell::Int(s.count as i64),
                    Cell::Float(s.sum),
                    Cell::Float(s.min),
                    Cell::Float(s.max),
                    Cell::Float(s.ends.first),
                    Cell::Float(s.ends.last),
                ]],
                Some(Stats::I64(s)) => vec![vec![
                    Cell::Int(s.count as i64),
                    Cell::Text(s.sum.to_string()),
                    Cell::Int(s.min),
                    Cell::Int(s.max),
                    Cell::Int(s.ends.first),
                    Cell::Int(s.ends.last),
                ]],
                other => panic!("{other:?}"),
            },
        })
    }
}

fn filter(random: &mut Random) -> Filter {
    let mut filter = Filter::new();
    if random.percent(35) {
        let values = random.some_of(&HOSTS);
        let values = values.iter().map(|value| value.map(str::to_owned)).collect();
        filter.push(("host".to_owned(), values));
    }
    if random.percent(25) {
        let values = random.some_of(&RACKS);
        let values = values.iter().map(|value| value.map(str::to_owned)).collect();
        filter.push(("rack".to_owned(), values));
    }
    filter
}

fn passes(filter: &Filter, key: Key) -> bool {
    filter.iter().all(|(tag, values)| {
        let own = key[TAGS.iter().position(|known| known == tag).expect("a tag")];
        values.iter().any(|value| value.as_deref() == own)
    })
}

fn range(random: &mut Random, world: &World) -> TimeRange {
    let (first, last) = world.span;
    let start = random.between(first - 3, last + 3);
    let length = random.between(0, (last - start).max(1) + 4);
    TimeRange::new(
        Some(start).filter(|_| random.percent(65)),
        Some(start + length).filter(|_| random.percent(65)),
    )
}

/// The rows that pass, by series, then time, then arrival.
fn selected<'a>(
    world: &'a World,
    filter: &Filter,
    range: TimeRange,
    predicate: Option<&Expr>,
) -> Vec<&'a Row> {
    let holds = |row: &&Row| {
        range.contains(row.time)
            && passes(filter, row.key)
            && predicate.is_none_or(|expr| condition::holds(expr, row) == Some(true))
    };
    world.rows.iter().filter(holds).collect()
}

fn functions(field: &str) -> Vec<Function> {
    use Function::{
        Count, Delta, Distinct, First, Increase, Last, Max, Mean, Median, Min, Mode, Percentile,
        Std, StdPop, Sum, Var, VarPop,
    };
    let mut all = vec![Count, Min, Max, First, Last, Distinct];
    match field {
        "f" | "d" | "i" => all.extend([
            Sum,
            Mean,
            Var,
            Std,
            VarPop,
            StdPop,
            Median,
            Percentile(0.0),
            Percentile(5.0),
            Percentile(90.0),
            Percentile(99.9),
            Percentile(100.0),
            Mode,
            Delta,
            Increase,
        ]),
        "w" => all.extend([Median, Percentile(25.0), Percentile(90.0)]),
        "x" | "s" => all.push(Mode),
        _ => all.extend([Sum, Mean, Mode]),
    }
    all
}

fn agree(field: &str, function: Function) -> Agree {
    use Function::{
        Count, Delta, Distinct, First, Increase, Last, Mean, Rows, Std, StdPop, Sum, Var, VarPop,
    };
    match (field, function) {
        (_, Count | Rows | Distinct | First | Last) => Agree::Bits,
        // Quarters: sums are exact, and each is one double however it is added up.
        ("f" | "i" | "b", Sum | Mean) | ("f" | "i", Delta | Increase) => Agree::Value,
        ("d", Sum | Mean | Delta | Increase) => Agree::Rounded(4.0),
        (_, Var | VarPop | Std | StdPop) => Agree::Rounded(400.0),
        // Interpolated between neighbours.
        ("d" | "f" | "i", Function::Median | Function::Percentile(_)) => Agree::Rounded(4.0),
        _ => Agree::Value,
    }
}

fn position(field: &str) -> usize {
    FIELDS.iter().position(|(name, _)| *name == field).expect("a field")
}

/// The next query with its answer.
pub(crate) fn next(random: &mut Random, world: &World) -> (Query, Expected) {
    match random.below(100) {
        0..55 => aggregated(random, world),
        55..75 => read(random, world),
        75..85 => last(random, world),
        85..94 => sum(random, world),
        _ => series(random, world),
    }
}

fn predicate(random: &mut Random, world: &World, times: bool) -> Option<Expr> {
    let depth = random.below(3);
    random.percent(45).then(|| condition::random(random, depth, Some(world.span).filter(|_| times)))
}

fn read(random: &mut Random, world: &World) -> (Query, Expected) {
    let (filter, range) = (filter(random), range(random, world));
    let predicate = predicate(random, world, true);
    let fields: Option<Vec<&str>> =
        random.percent(60).then(|| random.some_of(&FIELDS.map(|(name, _)| name)));
    let mut rows = selected(world, &filter, range, predicate.as_ref());
    // The fields that the condition reads do not make a row one of those asked for... unless the
    // reader says otherwise: rows need a point of any field that was read.
    if let Some(fields) = &fields
        && world.duplicates == Duplicates::Last
    {
        let mut read = fields.clone();
        if let Some(predicate) = &predicate {
            read.extend(
                predicate
                    .columns()
                    .into_iter()
                    .filter(|name| FIELDS.iter().any(|(field, _)| field == name)),
            );
        }
        rows.retain(|row| read.iter().any(|field| row.cells[position(field)] != Cell::Null));
    }
    let mut finish = Finish::default();
    if random.percent(30) {
        finish.offset = if random.percent(30) { random.below(10) } else { 0 };
        finish.limit = Some(random.below(30));
    }
    let shown = fields.clone().unwrap_or_else(|| FIELDS.map(|(name, _)| name).to_vec());
    let rows: Vec<Vec<Cell>> = rows
        .into_iter()
        .skip(finish.offset)
        .take(finish.limit.unwrap_or(usize::MAX))
        .map(|row| whole(row, &shown))
        .collect();
    let agree = vec![Agree::Bits; 1 + TAGS.len() + shown.len()];
    let fields = fields.map(|fields| fields.iter().map(|field| (*field).to_owned()).collect());
    let query = ReadQuery { fields, filter, range, predicate, finish, every_row: false };
    (Query::Read(query), Expected { rows, agree, counts: None })
}

fn tag(value: Option<&str>) -> Cell {
    value.map_or(Cell::Null, |value| Cell::Text(value.to_owned()))
}

/// A row as reads show it.
fn whole(row: &Row, fields: &[&str]) -> Vec<Cell> {
    let mut cells = vec![Cell::Time(row.time)];
    cells.extend(row.key.map(tag));
    cells.extend(fields.iter().map(|field| row.cells[position(field)].clone()));
    cells
}

fn last(random: &mut Random, world: &World) -> (Query, Expected) {
    let (filter, range) = (filter(random), range(random, world));
    let predicate = predicate(random, world, true);
    let by: Option<Vec<usize>> = random
        .percent(60)
        .then(|| if random.percent(20) { Vec::new() } else { random.some_of(&[0, 1]) });
    let key = |row: &Row| match &by {
        Some(by) => by.iter().map(|&tag| row.key[tag]).collect(),
        None => row.key.to_vec(),
    };
    let mut groups: BTreeMap<Vec<Option<&str>>, &Row> = BTreeMap::new();
    for row in selected(world, &filter, range, predicate.as_ref()) {
        let best = groups.entry(key(row)).or_insert(row);
        if row.time >= best.time {
            *best = row;
        }
    }
    let shown = FIELDS.map(|(name, _)| name);
    let rows = groups.values().map(|row| whole(row, &shown)).collect();
    let agree = vec![Agree::Bits; 1 + TAGS.len() + FIELDS.len()];
    let by = by.map(|by| by.iter().map(|&tag| TAGS[tag].to_owned()).collect());
    let query = LastQuery { by, filter, range, predicate, ..LastQuery::default() };
    (Query::Last(query), Expected { rows, agree, counts: None })
}

fn sum(random: &mut Random, world: &World) -> (Query, Expected) {
    let (filter, range) = (filter(random), range(random, world));
    let field = random.one_of(&["f", "d", "w", "i", "x"]);
    let at = position(field);
    let rows = selected(world, &filter, range, None);
    let points = by_series(&rows, at);
    let of = |function| aggregate(function, &points);
    let sum = match FIELDS[at].1 {
        FieldType::I64 => {
            let each = points.iter().flatten().map(|(_, cell)| match cell {
                Cell::Int(v) => i128::from(*v),
                other => panic!("{other:?}"),
            });
            Cell::Text(each.sum::<i128>().to_string())
        }
        // What doubles of any size add up to depends on the order.
        _ if field == "w" => Cell::Null,
        _ => of(Function::Sum),
    };
    let mut row = vec![of(Function::Count), sum];
    row.extend([Function::Min, Function::Max, Function::First, Function::Last].map(of));
    let rows = if row[0] == Cell::Int(0) { Vec::new() } else { vec![row] };
    let agree = vec![
        Agree::Bits,
        if field == "w" { Agree::Unknown } else { agree(field, Function::Sum) },
        Agree::Value,
        Agree::Value,
        Agree::Bits,
        Agree::Bits,
    ];
    let query = SumQuery { field: field.to_owned(), filter, range };
    (Query::Sum(query), Expected { rows, agree, counts: None })
}

fn series(random: &mut Random, world: &World) -> (Query, Expected) {
    let (filter, range) = (filter(random), range(random, world));
    let rows = selected(world, &filter, range, None);
    let of = |own: &[&Row]| {
        let mut cells = own[0].key.map(tag).to_vec();
        let count = own.len() as i64;
        cells.extend([
            Cell::Time(own[0].time),
            Cell::Time(own[own.len() - 1].time),
            Cell::Int(count),
        ]);
        cells
    };
    let rows = rows.chunk_by(|a, b| a.key == b.key).map(of).collect();
    let agree = vec![Agree::Bits; 5];
    (Query::Series(SeriesQuery { filter, range }), Expected { rows, agree, counts: None })
}

/// The points of a field, series by series.
fn by_series<'a>(rows: &[&'a Row], field: usize) -> Vec<Vec<(i64, &'a Cell)>> {
    rows.chunk_by(|a, b| a.key == b.key)
        .map(|own| {
            let points = own.iter().map(|row| (row.time, &row.cells[field]));
            points.filter(|(_, cell)| **cell != Cell::Null).collect()
        })
        .collect()
}

/// A group's tags and the start of its bucket.
type Group = (Vec<Option<&'static str>>, i64);

struct Buckets {
    width: i64,
    step: i64,
}

impl Buckets {
    /// The starts of the buckets that a time is in.
    fn of(&self, time: i64) -> Vec<i64> {
        let last = time.div_euclid(self.step) * self.step;
        let all = (0..).map(|back| last - back * self.step);
        all.take_while(|start| start + self.width > time).collect()
    }
}

fn aggregated(random: &mut Random, world: &World) -> (Query, Expected) {
    let (filter, mut range) = (filter(random), range(random, world));
    let span = (world.span.1 - world.span.0).max(4);
    let buckets = random.percent(65).then(|| {
        let step = 1 + random.between(0, span / 2);
        let times = if random.percent(15) { random.between(1, 4) } else { 1 };
        Buckets { width: step * times, step }
    });
    let fills = buckets.as_ref().is_some_and(|b| b.width == b.step) && random.percent(25);
    if fills {
        let start = random.between(world.span.0 - 3, world.span.1 + 3);
        range = TimeRange::new(Some(start), Some(start + random.between(1, span + 4)));
    }
    // With a condition on time the range that is filled is narrower.
    let predicate = predicate(random, world, !fills);
    let by: Vec<usize> = if random.percent(50) { random.some_of(&[0, 1]) } else { Vec::new() };

    let names: &[&'static str] =
        if fills { &["f", "i"] } else { &["f", "d", "w", "i", "x", "b", "s"] };
    let mut asked: Vec<(&str, Function)> = Vec::new();
    for field in random.some_of(names).into_iter().take(3) {
        let own = if fills {
            vec![Function::Sum, Function::Min, Function::Mean, Function::Last]
        } else {
            functions(field)
        };
        asked.push((field, Function::Count));
        for function in random.some_of(&own) {
            if function != Function::Count {
                asked.push((field, function));
            }
        }
    }
    let counts_rows = random.percent(20);

    let rows = selected(world, &filter, range, predicate.as_ref());
    let mut groups: BTreeMap<Group, Vec<&Row>> = BTreeMap::new();
    for row in &rows {
        let key: Vec<Option<&str>> = by.iter().map(|&tag| row.key[tag]).collect();
        let starts = buckets.as_ref().map_or(vec![0], |buckets| buckets.of(row.time));
        for start in starts {
            groups.entry((key.clone(), start)).or_default().push(*row);
        }
    }
    let mut out: Vec<Vec<Cell>> = Vec::new();
    for ((key, start), rows) in &groups {
        let mut cells: Vec<Cell> = buckets.iter().map(|_| Cell::Time(*start)).collect();
        cells.extend(key.iter().map(|value| tag(*value)));
        let of = |(field, function): &(&str, Function)| {
            aggregate(*function, &by_series(rows, position(field)))
        };
        cells.extend(asked.iter().map(of));
        if counts_rows {
            cells.push(Cell::Int(rows.len() as i64));
        }
        out.push(cells);
    }
    let keys = usize::from(buckets.is_some()) + by.len();
    let mut agreed = vec![Agree::Bits; keys];
    agreed.extend(asked.iter().map(|(field, function)| agree(field, *function)));
    let counts: Vec<usize> = asked
        .iter()
        .enumerate()
        .filter(|(_, (_, function))| *function == Function::Count)
        .map(|(at, _)| keys + at)
        .collect();
    let mut aggregates: Vec<Aggregate> =
        asked.iter().map(|(field, function)| Aggregate::of_field(field, *function)).collect();
    if counts_rows {
        agreed.push(Agree::Bits);
        aggregates.push(Aggregate {
            name: "rows".to_owned(),
            function: Function::Rows,
            inputs: Vec::new(),
        });
    }
    let certain = world.duplicates == Duplicates::Keep || counts_rows;
    let mut query = AggregateQuery {
        bucket: buckets.as_ref().map(|buckets| Bucket {
            step: Some(buckets.step).filter(|step| *step != buckets.width),
            ..Bucket::of_nanos(buckets.width)
        }),
        by: by.iter().map(|&tag| TAGS[tag].to_owned()).collect(),
        filter,
        range,
        predicate,
        ..AggregateQuery::new(aggregates)
    };
    // Which groups there are must be certain for what goes by them.
    if certain {
        if let (true, Some(buckets)) = (fills, &buckets) {
            let fill = random.one_of(&[0, 1, 2, 3]);
            query.fill = vec![match fill {
                0 => Fill::Null,
                1 => Fill::Previous,
                2 => Fill::Linear,
                _ => Fill::Value(random.between(-9, 9) as f64 / 2.0),
            }];
            out = filled(out, &query, buckets, &asked);
            agreed[keys..keys + asked.len()].fill(Agree::Rounded(4.0));
        }
        query.finish = finish(random, &query, &asked, keys, &mut out);
    }
    let counts = (!certain).then_some(counts);
    (Query::Aggregate(query), Expected { rows: out, agree: agreed, counts })
}

fn finish(
    random: &mut Random,
    query: &AggregateQuery,
    asked: &[(&str, Function)],
    keys: usize,
    out: &mut Vec<Vec<Cell>>,
) -> Finish {
    let mut finish = Finish::default();
    if random.percent(20) {
        let least = random.between(0, 6);
        let name = format!("{}_count", asked[0].0);
        finish.having =
            Some(Expr::column(name).binary(Operator::AtLeast, Expr::Literal(Literal::Int(least))));
        out.retain(|row| matches!(row[keys], Cell::Int(count) if count >= least));
    }
    if random.percent(30) {
        // Times are distinct where there is nothing to group by.
        if query.bucket.is_some() && query.by.is_empty() && random.percent(60) {
            let descending = random.percent(70);
            finish.order = vec![OrderBy::column("time", descending)];
            if descending {
                out.reverse();
            }
        }
        finish.offset = if random.percent(25) { random.below(4) } else { 0 };
        finish.limit = Some(random.below(8));
        *out = out.drain(..).skip(finish.offset).take(finish.limit.unwrap_or_default()).collect();
    }
    finish
}

/// Every bucket of the range for each group that has a row.
fn filled(
    out: Vec<Vec<Cell>>,
    query: &AggregateQuery,
    buckets: &Buckets,
    asked: &[(&str, Function)],
) -> Vec<Vec<Cell>> {
    let Some(end) = query.range.end else { return out };
    let first = query.range.start.div_euclid(buckets.width);
    let last = (end - 1).div_euclid(buckets.width);
    let starts: Vec<i64> = (first..=last).map(|bucket| bucket * buckets.width).collect();
    let tags = 1..1 + query.by.len();
    let mut filled = Vec::new();
    for own in out.chunk_by(|a, b| a[tags.clone()] == b[tags.clone()]) {
        let mut rows: Vec<Vec<Cell>> = starts
            .iter()
            .map(|start| {
                let found = own.iter().find(|row| row[0] == Cell::Time(*start));
                found.cloned().unwrap_or_else(|| {
                    let mut row = own[0].clone();
                    row[0] = Cell::Time(*start);
                    row[tags.end..].fill(Cell::Null);
                    row
                })
            })
            .collect();
        let columns = tags.end..rows[0].len();
        for column in columns {
            let (field, function) = asked.get(column - tags.end).copied().unzip();
            let counts = matches!(function, None | Some(Function::Count));
            let whole = field == Some("i") && function != Some(Function::Mean);
            fill_column(&mut rows, column, counts, whole, &query.fill[0]);
        }
        filled.extend(rows);
    }
    filled
}

/// `counts`: gaps are 0; `whole`: the column is of integers.
fn fill_column(rows: &mut [Vec<Cell>], column: usize, counts: bool, whole: bool, fill: &Fill) {
    let known: Vec<(usize, Cell)> = rows
        .iter()
        .enumerate()
        .filter(|(_, row)| row[column] != Cell::Null)
        .map(|(at, row)| (at, row[column].clone()))
        .collect();
    let number = |value: f64| {
        if whole { Cell::Int(value.round_ties_even() as i64) } else { Cell::Float(value) }
    };
    for (at, row) in rows.iter_mut().enumerate() {
        if row[column] != Cell::Null {
            continue;
        }
        let before = known.iter().rev().find(|(place, _)| *place < at);
        let after = known.iter().find(|(place, _)| *place > at);
        row[column] = match (fill, before, after) {
            _ if counts => Cell::Int(0),
            (Fill::Previous, Some((_, cell)), _) => cell.clone(),
            (Fill::Value(value), ..) => number(*value),
            (Fill::Linear, Some((a, low)), Some((b, high))) => {
                let (low, high) = match (low, high) {
                    (Cell::Float(low), Cell::Float(high)) => (*low, *high),
                    (Cell::Int(low), Cell::Int(high)) => (*low as f64, *high as f64),
                    other => panic!("{other:?}"),
                };
                let part = (at - a) as f64 / (b - a) as f64;
                number(if low == high { low } else { low * (1.0 - part) + high * part })
            }
            _ => Cell::Null,
        };
    }
}

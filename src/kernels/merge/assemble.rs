//! From runs of single parts to the rows of the series.

use super::Rows;
use super::load::Run;
use crate::chunk::Part;
use crate::error::{Error, Result};
use crate::model::{Bitmap, Column, Duplicates, FieldType, StrValues, Timestamp, Values};

/// The rows of the series out of runs that come by arrival.
pub(crate) fn assemble(
    parts: &[Part],
    mut runs: Vec<Run>,
    types: &[FieldType],
    duplicates: Duplicates,
) -> Result<Rows> {
    if let Some(order) = in_sequence(parts, &runs, duplicates) {
        return Ok(concatenate(&mut runs, &order, types));
    }
    let placed = match duplicates {
        Duplicates::Keep => Placed::keep(parts, &runs)?,
        Duplicates::Last => Placed::last(&runs)?,
    };
    let columns = types
        .iter()
        .enumerate()
        .map(|(slot, &ty)| gather(&runs, &placed, slot, ty, duplicates))
        .collect();
    Ok(Rows { times: placed.times, columns })
}

/// The order in which the runs can simply be concatenated, `None` when rows must be interleaved
/// or resolved.
fn in_sequence(parts: &[Part], runs: &[Run], duplicates: Duplicates) -> Option<Vec<usize>> {
    let span = |run: &Run| Some((*run.times.first()?, *run.times.last()?));
    let mut order = Vec::with_capacity(runs.len());
    for (at, run) in runs.iter().enumerate() {
        order.push((span(run)?, at));
    }
    order.sort_unstable();
    let follows = |w: &[((Timestamp, Timestamp), usize)]| {
        let (((_, last), a), ((first, _), b)) = (w[0], w[1]);
        last < first
            || (last == first
                && duplicates == Duplicates::Keep
                && a < b
                && parts[runs[a].part].fields == parts[runs[b].part].fields)
    };
    let resolved =
        || runs.iter().all(|run| run.times.array_windows().all(|[earlier, later]| earlier < later));
    let simple = order.windows(2).all(follows) && (duplicates == Duplicates::Keep || resolved());
    simple.then(|| order.into_iter().map(|(_, at)| at).collect())
}

fn concatenate(runs: &mut [Run], order: &[usize], types: &[FieldType]) -> Rows {
    let mut times = Vec::new();
    let mut columns: Vec<Column> = types.iter().map(|&ty| Column::empty(ty)).collect();
    for (nth, &at) in order.iter().enumerate() {
        let run = &mut runs[at];
        let rows = run.times.len();
        if nth == 0 {
            times = std::mem::take(&mut run.times);
        } else {
            times.extend_from_slice(&run.times);
        }
        for (column, source) in columns.iter_mut().zip(&mut run.columns) {
            match source.take() {
                Some(source) if nth == 0 => *column = source,
                Some(source) => column.extend_from(&source, 0..rows),
                None => (0..rows).for_each(|_| column.push_null()),
            }
        }
    }
    Rows { times, columns }
}

/// Where each row of each run goes.
struct Placed {
    /// Each output row's time.
    times: Vec<Timestamp>,
    /// For each run, for each of its rows, the output row.
    at: Vec<Vec<u32>>,
}

#[derive(Clone, Copy)]
struct Entry {
    time: Timestamp,
    run: u32,
    row: u32,
}

impl Placed {
    /// One output row a time.
    fn last(runs: &[Run]) -> Result<Self> {
        let entries = entries(runs)?;
        let mut placed = Self::empty(runs);
        for same in entries.chunk_by(|a, b| a.time == b.time) {
            for entry in same {
                placed.put(entry, placed.times.len());
            }
            placed.times.push(same[0].time);
        }
        Ok(placed)
    }

    /// Rows of one group each stay a row; rows of disjoint groups at one time share a row.
    fn keep(parts: &[Part], runs: &[Run]) -> Result<Self> {
        let groups = Groups::of(parts, runs);
        let entries = entries(runs)?;
        let mut placed = Self::empty(runs);
        let mut sorted: Vec<Entry> = Vec::new();
        let mut taken: Vec<Vec<usize>> = Vec::new();
        for same in entries.chunk_by(|a, b| a.time == b.time) {
            let base = placed.times.len();
            let group = |entry: &Entry| groups.of_run[entry.run as usize];
            sorted.clear();
            sorted.extend_from_slice(same);
            sorted.sort_by_key(group);
            taken.clear();
            for rows in sorted.chunk_by(|a, b| group(a) == group(b)) {
                let own = group(&rows[0]);
                let mut at = 0;
                for entry in rows {
                    // A row passed over once has a group of shared fields in it for good.
                    while at < taken.len() && !groups.fits(own, &taken[at]) {
                        at += 1;
                    }
                    if at == taken.len() {
                        taken.push(Vec::new());
                    }
                    if !groups.all_disjoint {
                        taken[at].push(own);
                    }
                    placed.put(entry, base + at);
                    at += 1;
                }
            }
            placed.times.extend(taken.iter().map(|_| same[0].time));
        }
        Ok(placed)
    }

    fn empty(runs: &[Run]) -> Self {
        Self { times: Vec::new(), at: runs.iter().map(|r| vec![0; r.times.len()]).collect() }
    }

    fn put(&mut self, entry: &Entry, at: usize) {
        self.at[entry.run as usize][entry.row as usize] = at as u32;
    }
}

/// All rows by time, rows of one time by arrival.
fn entries(runs: &[Run]) -> Result<Vec<Entry>> {
    let rows: usize = runs.iter().map(|r| r.times.len()).sum();
    if u32::try_from(rows).is_err() {
        return Err(Error::LimitExceeded(format!(
            "{rows} overlapping rows of one series cannot be merged at once; at most {} can",
            u32::MAX
        )));
    }
    let mut entries = Vec::with_capacity(rows);
    for (run, rows) in runs.iter().enumerate() {
        let numbered = rows.times.iter().enumerate();
        entries.extend(numbered.map(|(row, &time)| Entry {
            time,
            run: run as u32,
            row: row as u32,
        }));
    }
    // Stable, and made for input of ascending runs.
    entries.sort_by_key(|e| e.time);
    Ok(entries)
}

/// The distinct field sets of the runs in canonical order.
struct Groups {
    of_run: Vec<usize>,
    disjoint: Vec<Vec<bool>>,
    all_disjoint: bool,
}

impl Groups {
    fn of(parts: &[Part], runs: &[Run]) -> Self {
        let fields = |run: &Run| parts[run.part].fields.as_ref();
        let mut sets: Vec<&[usize]> = runs.iter().map(fields).collect();
        sets.sort_unstable();
        sets.dedup();
        let of_run = runs
            .iter()
            .map(|run| sets.binary_search(&fields(run)).unwrap_or_else(|at| at))
            .collect();
        let apart = |a: &[usize], b: &[usize]| a.iter().all(|f| b.binary_search(f).is_err());
        let disjoint: Vec<Vec<bool>> =
            sets.iter().map(|a| sets.iter().map(|b| apart(a, b)).collect()).collect();
        let all_disjoint = disjoint
            .iter()
            .enumerate()
            .all(|(i, r)| r.iter().enumerate().all(|(j, d)| i == j || *d));
        Self { of_run, disjoint, all_disjoint }
    }

    fn fits(&self, own: usize, others: &[usize]) -> bool {
        others.iter().all(|&other| self.disjoint[own][other])
    }
}

const NOWHERE: (u32, u32) = (u32::MAX, u32::MAX);

/// One output column: each row's value from the run that holds it.
fn gather(
    runs: &[Run],
    placed: &Placed,
    slot: usize,
    ty: FieldType,
    duplicates: Duplicates,
) -> Column {
    let mut from = vec![NOWHERE; placed.times.len()];
    for (run, (source, at)) in runs.iter().zip(&placed.at).enumerate() {
        let Some(column) = &source.columns[slot] else { continue };
        for (row, &to) in at.iter().enumerate() {
            if duplicates == Duplicates::Keep || column.is_valid(row) {
                from[to as usize] = (run as u32, row as u32);
            }
        }
    }
    let column = |run: u32| runs.get(run as usize).and_then(|r| r.columns[slot].as_ref());
    let valid: Bitmap = from
        .iter()
        .map(|&(run, row)| column(run).is_some_and(|c| c.is_valid(row as usize)))
        .collect();
    macro_rules! pick {
        ($variant:ident, $collect:ty, $default:expr, $get:expr) => {{
            let values = from.iter().map(|&(run, row)| match column(run).map(|c| &c.values) {
                Some(Values::$variant(v)) => $get(v, row as usize),
                _ => $default,
            });
            Values::$variant(values.collect::<$collect>())
        }};
    }
    let values = match ty {
        FieldType::F64 => pick!(F64, Vec<_>, 0.0, |v: &[f64], i: usize| v[i]),
        FieldType::I64 => pick!(I64, Vec<_>, 0, |v: &[i64], i: usize| v[i]),
        FieldType::Bool => pick!(Bool, Vec<_>, false, |v: &[bool], i: usize| v[i]),
        FieldType::Str => {
            fn get(v: &StrValues, i: usize) -> &str {
                v.get(i)
            }
            pick!(Str, StrValues, "", get)
        }
    };
    let all = valid.count_ones() == valid.len();
    Column { values, validity: (!all).then_some(valid) }
}

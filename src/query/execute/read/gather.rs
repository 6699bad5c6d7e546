//! Rows that were found into the columns of a result: each run of them is decoded straight to its
//! place, many at once.

use std::ops::Range;

use rayon::prelude::*;

use super::Reader;
use super::select::{Choice, Found, Pick};
use crate::chunk::{BLOCK_ROWS, Chunk};
use crate::error::{Error, Result};
use crate::kernels::Guard;
use crate::model::{Bitmap, Column, FieldType, Timestamp, Value, Values};
use crate::query::SeriesRef;
use crate::query::execute::{Frame, Tags};

/// Rows of a task, about.
const TASK_ROWS: usize = 1 << 14;

/// Neighbouring rows: of each series its place among those found and its picks.
struct Task {
    items: Vec<(usize, Range<usize>)>,
    rows: usize,
}

/// Where a column of a task goes.
enum Slots<'a> {
    F64(&'a mut [f64]),
    I64(&'a mut [i64]),
    Bool(&'a mut [bool]),
}

/// What a task writes of one column.
struct Job<'a> {
    task: &'a Task,
    slots: Slots<'a>,
    valid: Option<&'a mut [bool]>,
}

/// What is reused from block to block.
struct Scratch {
    doubles: Vec<f64>,
    integers: Vec<i64>,
    column: Column,
}

impl Scratch {
    fn new(ty: FieldType) -> Self {
        let of = |own: FieldType| if ty == own { BLOCK_ROWS } else { 0 };
        Self {
            doubles: vec![0.0; of(FieldType::F64)],
            integers: vec![0; of(FieldType::I64)],
            column: Column::empty(ty),
        }
    }
}

impl Reader<'_> {
    /// `time`, every tag and the fields asked for of the rows of some series.
    pub(in crate::query::execute) fn frame(
        &self,
        mut found: Vec<(&SeriesRef, Found)>,
    ) -> Result<Frame> {
        found.retain(|(_, own)| own.rows() > 0);
        let rows: usize = found.iter().map(|(_, own)| own.rows()).sum();
        let schema = self.source.schema();
        let fields = &self.fields[..self.asked];
        let widths = fields.iter().map(|&field| match self.types[field] {
            FieldType::F64 | FieldType::I64 => 8,
            FieldType::Bool => 1,
            FieldType::Str => 4,
        });
        let width = 8 + 4 * schema.tags.len() + widths.sum::<usize>();
        self.context.charge(rows.saturating_mul(width))?;
        let tasks = tasks(&found);
        let tags = || -> Vec<Tags> {
            let of = |tag: usize| {
                Tags::of_runs(found.iter().map(|(series, own)| {
                    (series.key.tags.get(tag).and_then(Option::as_deref), own.rows())
                }))
            };
            (0..schema.tags.len()).into_par_iter().map(of).collect()
        };
        let values = || -> Result<_> {
            let mut times = vec![0; rows];
            self.gather_times(&found, &tasks, &mut times)?;
            let column = |at: usize| self.gather(&found, &tasks, rows, at);
            Ok((times, (0..fields.len()).map(column).collect::<Result<Vec<_>>>()?))
        };
        let (tags, values) = rayon::join(tags, values);
        let (times, columns) = values?;
        let names = fields.iter().map(|&field| schema.fields[field].name.clone());
        Ok(Frame {
            rows,
            time: Some(times),
            tags: schema.tags.iter().cloned().zip(tags).collect(),
            times: Vec::new(),
            columns: names.zip(columns).collect(),
        })
    }

    fn gather_times(
        &self,
        found: &[(&SeriesRef, Found)],
        tasks: &[Task],
        out: &mut [Timestamp],
    ) -> Result<()> {
        let jobs: Vec<_> = tasks.iter().zip(split(out, tasks)).collect();
        jobs.into_par_iter().try_for_each_init(Vec::new, |scratch, (task, out)| {
            self.context.poll()?;
            let mut at = 0;
            for (own, picks) in &task.items {
                match &found[*own].1 {
                    Found::Rows(rows) => at = put(out, at, &rows.times)?,
                    Found::Blocks { chunks, picks: all, .. } => {
                        for pick in &all[picks.clone()] {
                            let chunk = &chunks[pick.chunk as usize].0;
                            if pick.is_last_of(chunk) {
                                let last = chunk.block_span(pick.block as usize).1;
                                at = put(out, at, &[last])?;
                                continue;
                            }
                            scratch.clear();
                            chunks[pick.chunk as usize]
                                .0
                                .decode_times(pick.block as usize, scratch)?;
                            at = choose(out, at, scratch, &pick.rows)?;
                        }
                    }
                }
            }
            Ok(())
        })
    }

    /// Field `at` of those that are read.
    fn gather(
        &self,
        found: &[(&SeriesRef, Found)],
        tasks: &[Task],
        rows: usize,
        at: usize,
    ) -> Result<Column> {
        let ty = self.types[self.fields[at]];
        if ty == FieldType::Str {
            return self.gather_strings(found, tasks, at);
        }
        let full = |own: &Found| match own {
            Found::Rows(rows) => rows.columns[at].validity.is_none(),
            Found::Blocks { chunks, .. } => {
                chunks.iter().all(|(chunk, columns)| columns[at].is_some_and(|c| chunk.is_dense(c)))
            }
        };
        let mut valid = if found.iter().all(|(_, own)| full(own)) {
            None
        } else {
            self.context.charge(rows)?;
            Some(vec![true; rows])
        };
        let mut values = match ty {
            FieldType::F64 => Values::F64(vec![0.0; rows]),
            FieldType::I64 => Values::I64(vec![0; rows]),
            _ => Values::Bool(vec![false; rows]),
        };
        let slots: Vec<Slots> = match &mut values {
            Values::F64(v) => split(v, tasks).into_iter().map(Slots::F64).collect(),
            Values::I64(v) => split(v, tasks).into_iter().map(Slots::I64).collect(),
            Values::Bool(v) => split(v, tasks).into_iter().map(Slots::Bool).collect(),
            Values::Str(_) => Vec::new(),
        };
        let valids: Vec<Option<&mut [bool]>> = match &mut valid {
            Some(valid) => split(valid, tasks).into_iter().map(Some).collect(),
            None => tasks.iter().map(|_| None).collect(),
        };
        let jobs: Vec<Job> = tasks
            .iter()
            .zip(slots.into_iter().zip(valids))
            .map(|(task, (slots, valid))| Job { task, slots, valid })
            .collect();
        jobs.into_par_iter().try_for_each_init(
            || Scratch::new(ty),
            |scratch, job| {
                self.context.poll()?;
                job.run(found, at, scratch)
            },
        )?;
        let validity = valid.map(|valid| valid.into_iter().collect::<Bitmap>());
        Ok(Column { values, validity })
    }

    /// Strings have no place before those before them are known.
    fn gather_strings(
        &self,
        found: &[(&SeriesRef, Found)],
        tasks: &[Task],
        at: usize,
    ) -> Result<Column> {
        let of = |task: &Task| {
            self.context.poll()?;
            let mut out = Column::empty(FieldType::Str);
            let mut scratch = Column::empty(FieldType::Str);
            for (own, picks) in &task.items {
                match &found[*own].1 {
                    Found::Rows(rows) => out.extend_from(&rows.columns[at], 0..rows.times.len()),
                    Found::Blocks { chunks, picks: all, .. } => {
                        for pick in &all[picks.clone()] {
                            let (chunk, columns) = &chunks[pick.chunk as usize];
                            let Some(column) = columns[at] else {
                                (0..pick.rows.len()).for_each(|_| out.push_null());
                                continue;
                            };
                            scratch.clear();
                            chunk.decode_column(column, pick.block as usize, &mut scratch)?;
                            pick.rows.each(|row| out.push_from(&scratch, row));
                        }
                    }
                }
            }
            self.context.charge(out.memory())?;
            Ok(out)
        };
        let pieces = tasks.par_iter().map(of).collect::<Result<Vec<_>>>()?;
        let mut pieces = pieces.into_iter();
        let mut all = pieces.next().unwrap_or_else(|| Column::empty(FieldType::Str));
        pieces.for_each(|piece| all.extend_from(&piece, 0..piece.len()));
        Ok(all)
    }
}

impl Job<'_> {
    fn run(
        mut self,
        found: &[(&SeriesRef, Found)],
        at: usize,
        scratch: &mut Scratch,
    ) -> Result<()> {
        let mut row = 0;
        for (own, picks) in &self.task.items {
            match &found[*own].1 {
                Found::Rows(rows) => {
                    let all = Choice::Range(0..0);
                    row = self.take(row, &rows.columns[at], &all, Some(rows.times.len()))?;
                }
                Found::Blocks { chunks, picks: all, .. } => {
                    for pick in &all[picks.clone()] {
                        let (chunk, columns) = &chunks[pick.chunk as usize];
                        let Some(column) = columns[at] else {
                            let end = row + pick.rows.len();
                            if let Some(valid) = &mut self.valid {
                                valid[row..end].fill(false);
                            }
                            row = end;
                            continue;
                        };
                        if pick.is_last_of(chunk)
                            && let Some(value) = chunk.last_value(column, pick.block as usize)
                        {
                            row = self.put_one(row, &value)?;
                            continue;
                        }
                        row = self.take_block(row, chunk, column, pick, scratch)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Puts what is picked of a block from `row` on; where the next go.
    fn take_block(
        &mut self,
        row: usize,
        chunk: &Chunk,
        column: usize,
        pick: &Pick,
        scratch: &mut Scratch,
    ) -> Result<usize> {
        let block = pick.block as usize;
        let rows = chunk.block_rows(block).len();
        let whole = matches!(&pick.rows, Choice::Range(own) if own.len() == rows);
        macro_rules! filled {
            ($out:expr, $fill:ident, $scratch:ident) => {{
                if whole && chunk.$fill(column, block, &mut $out[row..row + rows])? {
                    return Ok(row + rows);
                }
                let own = scratch.$scratch.get_mut(..rows).ok_or_else(short)?;
                if !whole && chunk.$fill(column, block, own)? {
                    return choose($out, row, own, &pick.rows);
                }
            }};
        }
        match &mut self.slots {
            Slots::F64(out) => filled!(out, fill_doubles, doubles),
            Slots::I64(out) => filled!(out, fill_integers, integers),
            Slots::Bool(_) => {}
        }
        scratch.column.clear();
        chunk.decode_column(column, block, &mut scratch.column)?;
        self.take(row, &scratch.column, &pick.rows, None)
    }

    fn put_one(&mut self, row: usize, value: &Value) -> Result<usize> {
        match (&mut self.slots, value) {
            (Slots::F64(out), Value::F64(v)) => put(out, row, &[*v]),
            (Slots::I64(out), Value::I64(v)) => put(out, row, &[*v]),
            (Slots::Bool(out), Value::Bool(v)) => put(out, row, &[*v]),
            _ => Err(Error::Internal("a column of another type".to_owned())),
        }
    }

    /// Puts chosen rows of a column, or its first `all`, from `row` on; where the next go.
    fn take(
        &mut self,
        row: usize,
        from: &Column,
        rows: &Choice,
        all: Option<usize>,
    ) -> Result<usize> {
        macro_rules! both {
            ($out:expr, $values:expr) => {
                match all {
                    Some(_) => put($out, row, $values)?,
                    None => choose($out, row, $values, rows)?,
                }
            };
        }
        let end = match (&mut self.slots, &from.values) {
            (Slots::F64(out), Values::F64(v)) => both!(out, v),
            (Slots::I64(out), Values::I64(v)) => both!(out, v),
            (Slots::Bool(out), Values::Bool(v)) => both!(out, v),
            _ => return Err(Error::Internal("a column of another type".to_owned())),
        };
        if let (Some(valid), Some(bits)) = (&mut self.valid, &from.validity) {
            let mut at = row;
            let mut mark = |from: usize| {
                valid[at] = bits.get(from);
                at += 1;
            };
            match all {
                Some(all) => (0..all).for_each(mark),
                None => rows.each(&mut mark),
            }
        }
        Ok(end)
    }
}

impl Choice {
    fn each(&self, mut see: impl FnMut(usize)) {
        match self {
            Self::Range(rows) => rows.clone().for_each(|row| see(row.into())),
            Self::List(rows) => rows.iter().for_each(|row| see((*row).into())),
        }
    }
}

fn short() -> Error {
    Error::corrupt("a chunk's block has columns of unequal length")
}

/// Puts all of some values from `at` on; where the next go.
fn put<T: Copy>(out: &mut [T], at: usize, from: &[T]) -> Result<usize> {
    let end = at + from.len();
    out.get_mut(at..end).ok_or_else(short)?.copy_from_slice(from);
    Ok(end)
}

/// Puts chosen values from `at` on; where the next go.
fn choose<T: Copy>(out: &mut [T], at: usize, from: &[T], rows: &Choice) -> Result<usize> {
    match rows {
        Choice::Range(rows) => {
            let own = from.get(usize::from(rows.start)..usize::from(rows.end)).ok_or_else(short)?;
            put(out, at, own)
        }
        Choice::List(rows) => {
            let end = at + rows.len();
            let last = rows.last().map_or(0, |row| usize::from(*row));
            let (Some(slots), true) = (out.get_mut(at..end), last < from.len()) else {
                return Err(short());
            };
            for (slot, row) in slots.iter_mut().zip(rows) {
                *slot = from[usize::from(*row)];
            }
            Ok(end)
        }
    }
}

/// Neighbours, about [`TASK_ROWS`] rows at a time or as many as that many blocks have.
fn tasks(found: &[(&SeriesRef, Found)]) -> Vec<Task> {
    let mut tasks = Vec::new();
    let mut task = Task { items: Vec::new(), rows: 0 };
    let mut blocks = 0;
    for (own, (_, rows)) in found.iter().enumerate() {
        match rows {
            Found::Rows(rows) => {
                task.items.push((own, 0..0));
                task.rows += rows.times.len();
            }
            Found::Blocks { picks, .. } => {
                let mut start = 0;
                for (at, pick) in picks.iter().enumerate() {
                    task.rows += pick.rows.len();
                    blocks += 1;
                    if blocks * BLOCK_ROWS >= TASK_ROWS {
                        task.items.push((own, start..at + 1));
                        start = at + 1;
                        blocks = 0;
                        tasks.push(std::mem::replace(
                            &mut task,
                            Task { items: Vec::new(), rows: 0 },
                        ));
                    }
                }
                if start < picks.len() {
                    task.items.push((own, start..picks.len()));
                }
            }
        }
        if task.rows >= TASK_ROWS {
            blocks = 0;
            tasks.push(std::mem::replace(&mut task, Task { items: Vec::new(), rows: 0 }));
        }
    }
    tasks.push(task);
    tasks
}

/// The slots of each task.
fn split<'a, T>(mut slots: &'a mut [T], tasks: &[Task]) -> Vec<&'a mut [T]> {
    let mut each = Vec::with_capacity(tasks.len());
    for task in tasks {
        let (own, rest) = slots.split_at_mut(task.rows);
        each.push(own);
        slots = rest;
    }
    each
}

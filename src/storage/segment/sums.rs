//! Cumulative statistics of long runs of chunks, as a tree of fan-out 64.
//!
//! A range aggregate over n chunks adds at most 2 * 63 nodes a level and never subtracts: prefix
//! sums would answer with a difference of two large numbers, which loses every small value that
//! follows a large one (1e300, then ones, sums to 0).

use super::index::{Slab, len_u32};
use crate::chunk::{BoolStats, CHUNK_ROWS, Ends, FloatStats, IntStats, Stats};
use crate::error::{Error, Result};
use crate::model::FieldType;

/// Children of a node.
const FAN_OUT: usize = 64;
/// Bytes of a node: eleven words of 8.
const NODE: usize = 88;
/// Bytes of a run's entry in the directory: first chunk, chunks, columns, reserved, offset.
const ENTRY: usize = 24;

/// Collects the runs of a segment that have two chunks or more.
#[derive(Debug, Default)]
pub(super) struct SumsWriter {
    directory: Vec<u8>,
    nodes: Vec<u8>,
    runs: usize,
}

impl SumsWriter {
    /// Adds a run: for each of its chunks the statistics of each of its columns.
    pub(super) fn add(&mut self, first_chunk: u32, chunks: &[Vec<Option<Stats>>]) -> Result<()> {
        let columns = chunks.first().map_or(0, Vec::len);
        self.directory.extend_from_slice(&first_chunk.to_le_bytes());
        self.directory.extend_from_slice(&len_u32("chunks", chunks.len())?.to_le_bytes());
        self.directory.extend_from_slice(&len_u32("columns", columns)?.to_le_bytes());
        self.directory.extend_from_slice(&[0; 4]);
        self.directory.extend_from_slice(&(self.nodes.len() as u64).to_le_bytes());
        self.runs += 1;
        for column in 0..columns {
            let mut level: Vec<Option<Stats>> =
                chunks.iter().map(|stats| stats.get(column).cloned().flatten()).collect();
            loop {
                level.iter().for_each(|node| write_node(node.as_ref(), &mut self.nodes));
                if level.len() <= 1 {
                    break;
                }
                level = level.chunks(FAN_OUT).map(fold).collect();
            }
        }
        Ok(())
    }

    /// The section: `runs u64`, the directory, the nodes.
    pub(super) fn finish(self) -> Vec<u8> {
        let mut out = (self.runs as u64).to_le_bytes().to_vec();
        out.extend_from_slice(&self.directory);
        out.extend_from_slice(&self.nodes);
        out
    }
}

/// The section, read in place.
#[derive(Clone, Debug)]
pub(super) struct Sums {
    slab: Slab,
    runs: usize,
}

impl Sums {
    pub(super) fn open(bytes: bytes::Bytes) -> Result<Self> {
        let slab = Slab::new(bytes);
        let runs = usize::try_from(slab.u64(0)?).unwrap_or(usize::MAX);
        if runs.checked_mul(ENTRY).is_none_or(|len| len > slab.len() - 8) {
            return Err(Error::corrupt(format!("sums: {runs} runs do not fit")));
        }
        Ok(Self { slab, runs })
    }

    /// The statistics of column `column` over the chunks `from..to` of the run that starts at
    /// chunk `first_chunk` of the segment. The outer `None`: the run has no tree.
    pub(super) fn range(
        &self,
        first_chunk: usize,
        column: usize,
        ty: FieldType,
        from: usize,
        to: usize,
    ) -> Result<Option<Option<Stats>>> {
        let Some((chunks, columns, offset)) = self.run(first_chunk)? else { return Ok(None) };
        if ty == FieldType::Str || from > to || to > chunks || column >= columns {
            return Ok(None);
        }
        let nodes: usize = levels(chunks).iter().sum();
        let start = 8 + self.runs * ENTRY;
        let fits = nodes
            .checked_mul(columns)
            .and_then(|nodes| nodes.checked_mul(NODE)?.checked_add(offset)?.checked_add(start))
            .is_some_and(|end| end <= self.slab.len());
        if !fits {
            return Err(Error::corrupt(format!("sums: a run of {chunks} chunks does not fit")));
        }
        let mut base = start + offset + column * nodes * NODE;
        let (mut low, mut high) = (from, to);
        // Rows that a node of the level can be of.
        let mut rows = CHUNK_ROWS as u64;
        // Nodes left and right of the subtree that the next level covers; rights come in reverse.
        let (mut left, mut right) = (Vec::new(), Vec::new());
        for width in levels(chunks) {
            let (inner_low, inner_high) = (low.div_ceil(FAN_OUT), high / FAN_OUT);
            if width == 1 || inner_low >= inner_high {
                left.extend((low..high).map(|i| (base + i * NODE, rows)));
                break;
            }
            left.extend((low..inner_low * FAN_OUT).map(|i| (base + i * NODE, rows)));
            right.extend((inner_high * FAN_OUT..high).rev().map(|i| (base + i * NODE, rows)));
            (low, high) = (inner_low, inner_high);
            base += width * NODE;
            rows = rows.saturating_mul(FAN_OUT as u64);
        }
        if crate::planted::is(crate::planted::Bug::SumsLoseANode) && left.len() > 1 {
            left.pop();
        }
        let mut total = None;
        for (at, rows) in left.into_iter().chain(right.into_iter().rev()) {
            Stats::merge_into(&mut total, self.node(at, ty, rows)?);
        }
        Ok(Some(total))
    }

    /// How many chunks and columns the run has and where its nodes start, found by binary search.
    fn run(&self, first_chunk: usize) -> Result<Option<(usize, usize, usize)>> {
        let (mut low, mut high) = (0, self.runs);
        while low < high {
            let middle = low + (high - low) / 2;
            let at = 8 + middle * ENTRY;
            match (self.slab.u32(at)? as usize).cmp(&first_chunk) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => {
                    let offset = usize::try_from(self.slab.u64(at + 16)?)
                        .map_err(|_| Error::corrupt("sums: an offset past the section"))?;
                    let (chunks, columns) = (self.slab.u32(at + 4)?, self.slab.u32(at + 8)?);
                    return Ok(Some((chunks as usize, columns as usize, offset)));
                }
            }
        }
        Ok(None)
    }

    /// The node at a place, which is of so many rows at most. Counts and sums are held to that: what
    /// is merged with others must not overflow.
    fn node(&self, at: usize, ty: FieldType, rows: u64) -> Result<Option<Stats>> {
        let word = |i: usize| self.slab.u64(at + 8 * i);
        let float = |i: usize| Ok::<f64, Error>(f64::from_bits(word(i)?));
        let int = |i: usize| self.slab.i64(at + 8 * i);
        let count = word(0)?;
        if count == 0 {
            return Ok(None);
        }
        let sum = (i128::from(int(5)?) << 64) | i128::from(word(4)?);
        let sums = ty != FieldType::I64 || sum.unsigned_abs() <= u128::from(count) << 63;
        if count > rows || word(1)? > count || !sums {
            return Err(Error::corrupt(format!(
                "sums: {count} points in a node of at most {rows} rows"
            )));
        }
        let (first_time, last_time) = (int(8)?, int(10)?);
        Ok(Some(match ty {
            FieldType::F64 => Stats::F64(FloatStats {
                count,
                nans: word(1)?,
                min: float(2)?,
                max: float(3)?,
                sum: float(4)?,
                m2: float(6)?,
                ends: Ends { first: float(7)?, first_time, last: float(9)?, last_time },
            }),
            FieldType::I64 => Stats::I64(IntStats {
                count,
                min: int(2)?,
                max: int(3)?,
                sum,
                m2: float(6)?,
                ends: Ends { first: int(7)?, first_time, last: int(9)?, last_time },
            }),
            FieldType::Bool => Stats::Bool(BoolStats {
                count,
                trues: word(1)?,
                ends: Ends { first: word(7)? != 0, first_time, last: word(9)? != 0, last_time },
            }),
            FieldType::Str => return Ok(None),
        }))
    }
}

/// How many nodes each level has, the chunks first.
fn levels(chunks: usize) -> Vec<usize> {
    let mut widths = vec![chunks];
    let mut width = chunks;
    while width > 1 {
        width = width.div_ceil(FAN_OUT);
        widths.push(width);
    }
    widths
}

fn fold(nodes: &[Option<Stats>]) -> Option<Stats> {
    let mut total = None;
    nodes.iter().for_each(|node| Stats::merge_into(&mut total, node.clone()));
    total
}

/// Words: count, nans or trues, min, max, sum low, sum high, m2, first, its time, last, its time.
fn write_node(stats: Option<&Stats>, out: &mut Vec<u8>) {
    let words: [u64; NODE / 8] = match stats {
        None | Some(Stats::Str(_)) => [0; NODE / 8],
        Some(Stats::F64(s)) => [
            s.count,
            s.nans,
            s.min.to_bits(),
            s.max.to_bits(),
            s.sum.to_bits(),
            0,
            s.m2.to_bits(),
            s.ends.first.to_bits(),
            s.ends.first_time as u64,
            s.ends.last.to_bits(),
            s.ends.last_time as u64,
        ],
        Some(Stats::I64(s)) => [
            s.count,
            0,
            s.min as u64,
            s.max as u64,
            s.sum as u64,
            (s.sum >> 64) as u64,
            s.m2.to_bits(),
            s.ends.first as u64,
            s.ends.first_time as u64,
            s.ends.last as u64,
            s.ends.last_time as u64,
        ],
        Some(Stats::Bool(s)) => [
            s.count,
            s.trues,
            0,
            0,
            0,
            0,
            0,
            u64::from(s.ends.first),
            s.ends.first_time as u64,
            u64::from(s.ends.last),
            s.ends.last_time as u64,
        ],
    };
    words.iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use crate::model::{Column, Values};

    fn chunk(i: i64) -> Option<Stats> {
        let column = Column::new(Values::I64(vec![i, -i * i]));
        (i % 7 != 3).then(|| Stats::of(&[10 * i, 10 * i + 1], &column, 0..2).unwrap())
    }

    #[test]
    fn every_range_equals_the_fold_of_its_chunks() {
        for chunks in [2usize, 63, 64, 65, 4097] {
            let run: Vec<Vec<Option<Stats>>> =
                (0..chunks).map(|i| vec![None, chunk(i as i64)]).collect();
            let mut writer = SumsWriter::default();
            writer.add(5, &run).unwrap();
            writer.add(9000, &run[..2]).unwrap();
            let sums = Sums::open(writer.finish().into()).unwrap();
            let ends = [0, 1, 2, 63, 64, 65, 127, 128, 129, 4096, 4097];
            for from in ends.into_iter().filter(|e| *e <= chunks) {
                for to in ends.into_iter().filter(|e| (from..=chunks).contains(e)) {
                    let expected =
                        fold(&run[from..to].iter().map(|c| c[1].clone()).collect::<Vec<_>>());
                    let got = sums.range(5, 1, FieldType::I64, from, to).unwrap().unwrap();
                    match (&got, &expected) {
                        (Some(Stats::I64(a)), Some(Stats::I64(b))) => {
                            assert_eq!(
                                (a.count, a.min, a.max, a.sum),
                                (b.count, b.min, b.max, b.sum)
                            );
                            assert_eq!(a.ends, b.ends);
                            assert!((a.m2 - b.m2).abs() <= 1e-9 * b.m2.abs());
                        }
                        _ => assert_eq!(got, expected, "{from}..{to} of {chunks}"),
                    }
                }
            }
            assert!(sums.range(6, 1, FieldType::I64, 0, 1).unwrap().is_none());
        }
    }

    #[test]
    fn counts_and_sums_that_cannot_be_are_corrupt() {
        let run: Vec<Vec<Option<Stats>>> = (0..3).map(|i| vec![chunk(i)]).collect();
        let mut writer = SumsWriter::default();
        writer.add(0, &run).unwrap();
        let bytes = writer.finish();
        let nodes = 8 + ENTRY;
        let asked = |word: usize, value: u64, ty: FieldType| {
            let mut bytes = bytes.clone();
            for node in 0..3 {
                let at = nodes + node * NODE + 8 * word;
                bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
            }
            Sums::open(bytes.into()).unwrap().range(0, 0, ty, 0, 3)
        };
        assert!(asked(0, 2, FieldType::I64).is_ok());
        for ty in [FieldType::I64, FieldType::F64, FieldType::Bool] {
            assert!(matches!(asked(0, u64::MAX, ty), Err(Error::Corrupt(_))), "{ty:?}");
            assert!(matches!(asked(0, CHUNK_ROWS as u64 + 1, ty), Err(Error::Corrupt(_))));
            assert!(matches!(asked(1, 3, ty), Err(Error::Corrupt(_))), "{ty:?}");
        }
        for high in [i64::MAX, i64::MIN, 1, -2] {
            assert!(matches!(asked(5, high as u64, FieldType::I64), Err(Error::Corrupt(_))));
        }
    }

    #[test]
    fn small_values_after_a_large_one_are_not_lost() {
        let of = |v: f64, t: i64| Stats::of(&[t], &Column::new(Values::F64(vec![v])), 0..1);
        let run: Vec<Vec<Option<Stats>>> =
            (0..200).map(|i| vec![of(if i == 0 { 1e300 } else { 1.0 }, i)]).collect();
        let mut writer = SumsWriter::default();
        writer.add(0, &run).unwrap();
        let sums = Sums::open(writer.finish().into()).unwrap();
        let Some(Stats::F64(total)) = sums.range(0, 0, FieldType::F64, 1, 200).unwrap().unwrap()
        else {
            panic!("doubles have statistics")
        };
        assert_eq!(total.sum, 199.0);
    }
}

//! How often each value is there.

use std::ops::Range;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::kernels::aggregate::output::push;
use crate::model::{Column, FieldType, Values};

/// Bytes of an empty tally.
pub(super) const STATE_BYTES: usize = size_of::<HashMap<u64, u64, FixedState>>();
/// Bytes of an entry, the text of a string aside: a table is from half to seven eighths full.
const ENTRY: usize = 32;

/// The counts of each bucket.
#[derive(Debug)]
pub(super) struct Tally {
    ty: FieldType,
    counts: Counts,
    bytes: usize,
}

#[derive(Debug)]
enum Counts {
    /// By the bits of a number or a truth value; zeros and NaN each of one pattern.
    Bits(Vec<HashMap<u64, u64, FixedState>>),
    Text(Vec<HashMap<Box<str>, u64, FixedState>>),
}

impl Tally {
    pub(super) fn new(ty: FieldType) -> Self {
        let counts = match ty {
            FieldType::Str => Counts::Text(Vec::new()),
            _ => Counts::Bits(Vec::new()),
        };
        Self { ty, counts, bytes: 0 }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn push_empty(&mut self) {
        match &mut self.counts {
            Counts::Bits(maps) => maps.push(HashMap::default()),
            Counts::Text(maps) => maps.push(HashMap::default()),
        }
    }

    pub(super) fn clear(&mut self) {
        match &mut self.counts {
            Counts::Bits(maps) => maps.clear(),
            Counts::Text(maps) => maps.clear(),
        }
        self.bytes = 0;
    }

    pub(super) fn take_rows(&mut self, slot: usize, column: &Column, rows: Range<usize>) {
        let rows = rows.filter(|&row| column.is_valid(row));
        match (&mut self.counts, &column.values) {
            (Counts::Bits(maps), values) => {
                let map = &mut maps[slot];
                let before = map.len();
                match values {
                    Values::F64(v) => {
                        rows.for_each(|row| *map.entry(bits(v[row])).or_insert(0) += 1);
                    }
                    Values::I64(v) => {
                        rows.for_each(|row| *map.entry(v[row] as u64).or_insert(0) += 1);
                    }
                    Values::Bool(v) => {
                        rows.for_each(|row| *map.entry(u64::from(v[row])).or_insert(0) += 1);
                    }
                    Values::Str(_) => {}
                }
                self.bytes += (map.len() - before) * ENTRY;
            }
            (Counts::Text(maps), Values::Str(v)) => {
                for text in rows.map(|row| v.get(row)) {
                    self.bytes += add_text(&mut maps[slot], text, 1);
                }
            }
            (Counts::Text(_), _) => {}
        }
    }

    pub(super) fn join(&mut self, slot: usize, other: &mut Self, from: usize, keep: bool) {
        match (&mut self.counts, &mut other.counts) {
            (Counts::Bits(own), Counts::Bits(theirs)) => {
                let (own, theirs) = (&mut own[slot], &mut theirs[from]);
                let before = own.len();
                if own.is_empty() && !keep {
                    *own = std::mem::take(theirs);
                } else {
                    theirs.iter().for_each(|(bits, n)| *own.entry(*bits).or_insert(0) += n);
                }
                self.bytes += (own.len() - before) * ENTRY;
            }
            (Counts::Text(own), Counts::Text(theirs)) => {
                for (text, count) in &theirs[from] {
                    self.bytes += add_text(&mut own[slot], text, *count);
                }
            }
            _ => {}
        }
    }

    /// How many distinct values a bucket has.
    pub(super) fn distinct(&self, slot: usize) -> i64 {
        match &self.counts {
            Counts::Bits(maps) => maps[slot].len() as i64,
            Counts::Text(maps) => maps[slot].len() as i64,
        }
    }

    /// Appends the most frequent value of a bucket, of several the least.
    pub(super) fn mode(&self, slot: usize, out: &mut Column) -> Option<()> {
        match &self.counts {
            Counts::Text(maps) => {
                let most = maps[slot].iter().max_by(|a, b| a.1.cmp(b.1).then(b.0.cmp(a.0)));
                push(out, most.map(|(text, _)| text.as_ref()))
            }
            Counts::Bits(maps) => {
                let compare = |a: u64, b: u64| match self.ty {
                    FieldType::F64 => f64::from_bits(a).total_cmp(&f64::from_bits(b)),
                    _ => (a as i64).cmp(&(b as i64)),
                };
                let most =
                    maps[slot].iter().max_by(|a, b| a.1.cmp(b.1).then_with(|| compare(*b.0, *a.0)));
                let bits = most.map(|(bits, _)| *bits);
                match self.ty {
                    FieldType::F64 => push(out, bits.map(f64::from_bits)),
                    FieldType::Bool => push(out, bits.map(|bits| bits == 1)),
                    _ => push(out, bits.map(|bits| bits as i64)),
                }
            }
        }
    }
}

/// One pattern for both zeros, and one for NaN, which `total_cmp` then has as the greatest.
fn bits(value: f64) -> u64 {
    if value.is_nan() { f64::NAN.to_bits() } else { (value + 0.0).to_bits() }
}

/// Counts a text, and tells how many bytes more that took.
fn add_text(map: &mut HashMap<Box<str>, u64, FixedState>, text: &str, count: u64) -> usize {
    if let Some(known) = map.get_mut(text) {
        *known += count;
        return 0;
    }
    map.insert(text.into(), count);
    ENTRY + text.len()
}

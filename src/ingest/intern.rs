//! Interning: strings to dense codes, and pairs of codes to dense codes.
//!
//! Codes count from 0 in the order of first sight, so that tables indexed by code stay as small
//! as what was seen. Hashes are seeded per process: a frame cannot be made to collide.

use std::hash::BuildHasher;

use arrow_array::StringViewArray;
use arrow_array::builder::make_view;
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

/// Stands for "no code yet"; a frame has fewer rows, so no code reaches it.
pub(super) const UNSET: u32 = u32::MAX;

/// The longest string that fits into the 16 bytes of an Arrow view, beside its length.
const INLINE: usize = 12;

/// Most cells of a table over all pairs of two codes: 16 MiB of codes.
const MOST_CELLS: usize = 1 << 22;

/// Gives equal strings (and nulls) equal codes.
#[derive(Debug)]
pub(super) struct Interner<'a> {
    /// Most values that it takes, and one more.
    most: usize,
    values: Vec<Option<&'a str>>,
    null: Option<u32>,
    /// Strings of up to [`INLINE`] bytes: the whole string is the key.
    short: HashTable<(u128, u32)>,
    /// The code of longer strings.
    long: HashTable<u32>,
    hasher: RandomState,
}

impl Default for Interner<'_> {
    fn default() -> Self {
        Self::of_at_most(UNSET as usize - 1)
    }
}

impl<'a> Interner<'a> {
    /// One that stops past `most` values.
    pub(super) fn of_at_most(most: usize) -> Self {
        Self {
            most,
            values: Vec::new(),
            null: None,
            short: HashTable::new(),
            long: HashTable::new(),
            hasher: RandomState::default(),
        }
    }

    /// Whether there were more than it takes: no code given since then means anything.
    pub(super) fn is_over(&self) -> bool {
        self.values.len() > self.most
    }

    /// The value of each code.
    pub(super) fn into_values(self) -> Vec<Option<&'a str>> {
        self.values
    }

    /// The code of `value`.
    pub(super) fn code(&mut self, value: Option<&'a str>) -> u32 {
        match value {
            None => self.null_code(),
            Some(text) if text.len() <= INLINE => {
                self.short_code(make_view(text.as_bytes(), 0, 0), text)
            }
            Some(text) => self.long_code(text),
        }
    }

    pub(super) fn null_code(&mut self) -> u32 {
        if let Some(code) = self.null {
            return code;
        }
        let code = self.values.len() as u32;
        self.values.push(None);
        self.null = Some(code);
        code
    }

    fn short_code(&mut self, key: u128, text: &'a str) -> u32 {
        let Self { most, values, short, hasher, .. } = self;
        let hash = hasher.hash_one(key);
        match short.entry(hash, |(k, _)| *k == key, |(k, _)| hasher.hash_one(k)) {
            Entry::Occupied(found) => found.get().1,
            Entry::Vacant(_) if values.len() > *most => 0,
            Entry::Vacant(free) => {
                let code = values.len() as u32;
                values.push(Some(text));
                free.insert((key, code));
                code
            }
        }
    }

    fn long_code(&mut self, text: &'a str) -> u32 {
        let Self { most, values, long, hasher, .. } = self;
        let value = |code: u32| values.get(code as usize).copied().flatten().unwrap_or("");
        let hash = hasher.hash_one(text);
        let entry = long.entry(hash, |c| value(*c) == text, |c| hasher.hash_one(value(*c)));
        match entry {
            Entry::Occupied(found) => *found.get(),
            Entry::Vacant(_) if values.len() > *most => 0,
            Entry::Vacant(free) => {
                let code = values.len() as u32;
                free.insert(code);
                values.push(Some(text));
                code
            }
        }
    }

    /// Appends the codes of `rows`; a run of one string is looked up once.
    pub(super) fn strings(
        &mut self,
        rows: impl Iterator<Item = Option<&'a str>>,
        codes: &mut Vec<u32>,
    ) {
        let mut last: Option<(Option<&str>, u32)> = None;
        codes.extend(rows.map(|value| match last {
            Some((text, code)) if text == value => code,
            _ => {
                let code = self.code(value);
                last = Some((value, code));
                code
            }
        }));
    }

    /// Appends the codes of an array of views: the short strings, and runs of one string, are
    /// told apart without reading the strings' bytes.
    pub(super) fn views(&mut self, array: &'a StringViewArray, codes: &mut Vec<u32>) {
        use arrow_array::Array;
        // No view: a short one would claim more bytes than it has.
        let mut last = (u128::MAX, UNSET);
        for (i, view) in array.views().iter().enumerate() {
            if array.is_null(i) {
                codes.push(self.null_code());
                continue;
            }
            let len = *view as u32 as usize;
            // A careless producer may leave bytes behind the end of a short string.
            let key = if len <= INLINE { *view & (u128::MAX >> (96 - 8 * len)) } else { *view };
            if key != last.0 {
                let text = array.value(i);
                let code =
                    if len <= INLINE { self.short_code(key, text) } else { self.long_code(text) };
                last = (key, code);
            }
            codes.push(last.1);
        }
    }
}

/// Rows told apart by a tuple of codes.
///
/// Invariants: every code is below `distinct`; `tuples` has `width` slots a code; `codes` has one
/// slot a row, or none where at most one tuple occurs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tuples {
    pub(super) codes: Vec<u32>,
    pub(super) distinct: usize,
    pub(super) tuples: Vec<u32>,
    pub(super) width: usize,
}

impl Tuples {
    /// Rows told apart by one code each, of which there are `distinct`.
    pub(super) fn single(codes: Vec<u32>, distinct: usize) -> Self {
        let codes = if distinct > 1 { codes } else { Vec::new() };
        Self { codes, distinct, tuples: (0..distinct as u32).collect(), width: 1 }
    }

    /// The tuple of `code`.
    pub(super) fn tuple(&self, code: usize) -> &[u32] {
        &self.tuples[code * self.width..(code + 1) * self.width]
    }

    /// Rows told apart by both; `self`'s slots come first in the tuples. Past `most` tuples it stops:
    /// there is one more then, and the codes mean nothing.
    pub(super) fn and(self, other: &Self, most: usize) -> Self {
        match (self.distinct, other.distinct) {
            (_, 1) => {
                let pairs = (0..self.distinct).map(|a| (a, 0)).collect::<Vec<_>>();
                let tuples = joined(&self, other, &pairs);
                Self { tuples, width: self.width + other.width, ..self }
            }
            (1, _) => {
                let pairs = (0..other.distinct).map(|b| (0, b)).collect::<Vec<_>>();
                let tuples = joined(&self, other, &pairs);
                let width = self.width + other.width;
                Self { codes: other.codes.clone(), distinct: other.distinct, tuples, width }
            }
            (a, b) => {
                let mut pairs = Vec::new();
                let room = self.codes.len().clamp(1 << 12, MOST_CELLS);
                let codes = match a.checked_mul(b) {
                    Some(cells) if cells <= room => self.by_table(other, cells, &mut pairs),
                    _ => self.by_hash(other, &mut pairs, most),
                };
                let tuples = joined(&self, other, &pairs);
                Self { codes, distinct: pairs.len(), tuples, width: self.width + other.width }
            }
        }
    }

    /// One slot a pair that could be.
    fn by_table(&self, other: &Self, cells: usize, pairs: &mut Vec<(usize, usize)>) -> Vec<u32> {
        let mut table = vec![UNSET; cells];
        let rows = self.codes.iter().zip(&other.codes);
        rows.map(|(&a, &b)| {
            let code = &mut table[a as usize * other.distinct + b as usize];
            if *code == UNSET {
                *code = pairs.len() as u32;
                pairs.push((a as usize, b as usize));
            }
            *code
        })
        .collect()
    }

    /// One slot an `a`, which remembers the `b` that it was last seen with: where one tag settles
    /// the other (host and region), that is all it takes. The pairs that are left are hashed.
    fn by_hash(&self, other: &Self, pairs: &mut Vec<(usize, usize)>, most: usize) -> Vec<u32> {
        let mut last = vec![(UNSET, UNSET); self.distinct];
        let mut table: HashTable<(u64, u32)> = HashTable::new();
        let hasher = RandomState::default();
        let rows = self.codes.iter().zip(&other.codes);
        rows.map(|(&a, &b)| {
            let slot = &mut last[a as usize];
            if slot.0 != b {
                let key = u64::from(a) << 32 | u64::from(b);
                let hash = hasher.hash_one(key);
                let entry = table.entry(hash, |(k, _)| *k == key, |(k, _)| hasher.hash_one(k));
                let code = match entry {
                    Entry::Occupied(found) => found.get().1,
                    Entry::Vacant(_) if pairs.len() > most => 0,
                    Entry::Vacant(free) => {
                        let code = pairs.len() as u32;
                        free.insert((key, code));
                        pairs.push((a as usize, b as usize));
                        code
                    }
                };
                *slot = (b, code);
            }
            slot.1
        })
        .collect()
    }
}

fn joined(a: &Tuples, b: &Tuples, pairs: &[(usize, usize)]) -> Vec<u32> {
    let mut tuples = Vec::with_capacity(pairs.len() * (a.width + b.width));
    for (left, right) in pairs {
        tuples.extend_from_slice(a.tuple(*left));
        tuples.extend_from_slice(b.tuple(*right));
    }
    tuples
}

/// Combines any number of columns, halves in parallel; `None` when there is none.
pub(super) fn combine(mut columns: Vec<Tuples>, most: usize) -> Option<Tuples> {
    if columns.len() <= 1 {
        return columns.pop();
    }
    let right = columns.split_off(columns.len() / 2);
    let (left, right) = rayon::join(|| combine(columns, most), || combine(right, most));
    left.zip(right).map(|(left, right)| left.and(&right, most))
}

/// Numbers codes anew by first sight, and returns the old number of each new one.
pub(super) fn renumber(
    codes: impl Iterator<Item = u32>,
    scratch: &mut [u32],
) -> (Vec<u32>, Vec<u32>) {
    let mut old = Vec::new();
    let codes = codes
        .map(|code| {
            let slot = &mut scratch[code as usize];
            if *slot == UNSET {
                *slot = old.len() as u32;
                old.push(code);
            }
            *slot
        })
        .collect();
    for code in &old {
        scratch[*code as usize] = UNSET;
    }
    (codes, old)
}

//! The payload of a record: one atomic write call, columnar.
//!
//! ```text
//! payload  := 0 | body                          the body as it is
//!           | 1 | size u32 | LZ4 block          the body packed; `size` is its length unpacked
//! body     := count u32 | batch*
//! batch    := table name | tags u16 | tag name* | rows u32 | series u32
//!             | value*                          tag by tag, for each of its series in turn
//!             | series_of                       a position in the series for each row
//!             | times | fields u16 | field*
//! value    := varint                            0 where the series lacks the tag, else its
//!             | bytes                           length + 1, and its bytes
//! series_of:= nothing with one series, else u8, u16 or u32 a row, the least that holds all
//! times    := u64 a row                         the difference to the time before, wrapping;
//!                                               before the first stands 0
//! field    := name | type u8 | valid u8         type 0 f64, 1 i64, 2 bool, 3 str
//!             | bitmap                          with valid = 1: a bit a row, 1 for a value
//!             | values                          of the rows with a value only:
//!                                               f64, i64: 8 bytes each; bool: a bit each;
//!                                               str: each varint length, then each one's bytes
//! name     := length u16 | UTF-8
//! ```

use arrow_array::builder::StringViewBuilder;
use arrow_array::{Array, BooleanArray, Float64Array, Int64Array, StringViewArray};
use arrow_buffer::{BooleanBuffer, NullBuffer};

use super::bytes::{Input, put_bits, put_name, put_varint};
use super::record::{MAX_PAYLOAD, too_large};
use crate::error::{Error, Result};
use crate::model::{Batch, FieldArray, SeriesKey};

const RAW: u8 = 0;
const LZ4: u8 = 1;
/// LZ4's best: one byte of a long match stands for 255.
const LZ4_RATIO: usize = 255;
/// Below this packing gains nothing that matters.
const WORTH_PACKING: usize = 128;

/// One write call: its batches are there together or not at all.
#[derive(Clone, Debug, Default)]
pub struct WalEntry {
    /// The batches in the order of the call.
    pub batches: Vec<WalBatch>,
}

/// A batch with the tags that its table had when it was written.
#[derive(Clone, Debug)]
pub struct WalBatch {
    /// The table's tags: the names of the slots of the batch's series keys.
    pub tags: Vec<String>,
    /// The rows.
    pub batch: Batch,
}

impl WalBatch {
    /// The batch for a table that has `tags` now: tags that came later are absent from its series.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when the tags it was written with don't stand first among `tags`.
    pub fn into_batch(self, tags: &[String]) -> Result<Batch> {
        if !tags.starts_with(&self.tags) {
            return Err(Error::corrupt(format!(
                "the write-ahead log has table {:?} with tags {:?}, which is now {tags:?}",
                self.batch.table(),
                self.tags
            )));
        }
        if tags.len() == self.tags.len() {
            return Ok(self.batch);
        }
        let batch = &self.batch;
        let widen = |key: &SeriesKey| {
            let mut values = key.tags.to_vec();
            values.resize(tags.len(), None);
            SeriesKey { tags: values.into() }
        };
        Batch::new(
            batch.table(),
            batch.series().iter().map(widen).collect(),
            batch.series_of().to_vec(),
            batch.times().to_vec(),
            batch.fields().to_vec(),
        )
    }
}

/// The payload of one write call: batches, each with its table's tags.
///
/// # Errors
/// [`Error::LimitExceeded`] past [`MAX_PAYLOAD`] bytes, [`Error::Internal`] for a batch that
/// does not go with its tags.
pub fn encode_batches<'a>(
    batches: impl ExactSizeIterator<Item = (&'a [String], &'a Batch)>,
) -> Result<Vec<u8>> {
    let mut out = vec![RAW];
    out.extend_from_slice(&count::<u32>(batches.len())?.to_le_bytes());
    for (tags, batch) in batches {
        put_batch(&mut out, tags, batch)?;
    }
    let body = &out[1..];
    if body.len() > MAX_PAYLOAD {
        return Err(too_large(body.len()));
    }
    if body.len() >= WORTH_PACKING {
        let packed = lz4_flex::block::compress(body);
        if packed.len() + 4 < body.len() {
            let size = count::<u32>(body.len())?;
            out.clear();
            out.push(LZ4);
            out.extend_from_slice(&size.to_le_bytes());
            out.extend_from_slice(&packed);
        }
    }
    Ok(out)
}

impl WalEntry {
    /// The payload.
    ///
    /// # Errors
    /// As [`encode_batches`].
    pub fn encode(&self) -> Result<Vec<u8>> {
        encode_batches(self.batches.iter().map(|b| (b.tags.as_slice(), &b.batch)))
    }

    /// From a payload.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for bytes that break the format.
    pub fn decode(payload: &[u8]) -> Result<Self> {
        let mut input = Input(payload);
        match input.u8()? {
            RAW => decode_body(input.0),
            LZ4 => {
                let size = input.u32()? as usize;
                let most = input.0.len().saturating_mul(LZ4_RATIO).min(MAX_PAYLOAD);
                if size > most {
                    return Err(Error::corrupt(format!(
                        "{} packed bytes cannot hold {size}",
                        input.0.len()
                    )));
                }
                let mut body = vec![0; size];
                let unpacked = lz4_flex::block::decompress_into(input.0, &mut body)
                    .map_err(|e| Error::corrupt(format!("an LZ4 block: {e}")))?;
                if unpacked != size {
                    return Err(Error::corrupt(format!("{unpacked} bytes unpacked of {size}")));
                }
                decode_body(&body)
            }
            kind => Err(Error::corrupt(format!("payload kind {kind}"))),
        }
    }
}

fn count<T: TryFrom<usize>>(n: usize) -> Result<T> {
    T::try_from(n).map_err(|_| Error::LimitExceeded(format!("{n} items in one write")))
}

fn put_batch(out: &mut Vec<u8>, tags: &[String], batch: &Batch) -> Result<()> {
    let ragged = batch.series().iter().any(|key| key.tags.len() > tags.len());
    if ragged || (tags.is_empty() && batch.series().len() > 1) {
        return Err(Error::Internal(format!(
            "a batch of table {:?} whose series don't go with tags {tags:?}",
            batch.table()
        )));
    }
    put_name(out, batch.table())?;
    out.extend_from_slice(&count::<u16>(tags.len())?.to_le_bytes());
    tags.iter().try_for_each(|tag| put_name(out, tag))?;
    out.extend_from_slice(&count::<u32>(batch.rows())?.to_le_bytes());
    out.extend_from_slice(&count::<u32>(batch.series().len())?.to_le_bytes());
    for tag in 0..tags.len() {
        for key in batch.series() {
            match key.tags.get(tag).and_then(|value| value.as_deref()) {
                None => out.push(0),
                Some(value) => {
                    put_varint(out, count(value.len().saturating_add(1))?);
                    out.extend_from_slice(value.as_bytes());
                }
            }
        }
    }
    match width(batch.series().len()) {
        0 => {}
        1 => out.extend(batch.series_of().iter().map(|&s| s as u8)),
        2 => batch.series_of().iter().for_each(|&s| out.extend((s as u16).to_le_bytes())),
        _ => batch.series_of().iter().for_each(|s| out.extend(s.to_le_bytes())),
    }
    let mut before = 0;
    for &time in batch.times() {
        out.extend_from_slice(&time.wrapping_sub(before).to_le_bytes());
        before = time;
    }
    out.extend_from_slice(&count::<u16>(batch.fields().len())?.to_le_bytes());
    batch.fields().iter().try_for_each(|(name, values)| put_field(out, name, values))
}

/// Bytes of a position among `series` series.
fn width(series: usize) -> usize {
    match series {
        0 | 1 => 0,
        2..=0x100 => 1,
        0x101..=0x1_0000 => 2,
        _ => 4,
    }
}

fn put_field(out: &mut Vec<u8>, name: &str, values: &FieldArray) -> Result<()> {
    put_name(out, name)?;
    let (kind, nulls) = match values {
        FieldArray::F64(a) => (0, a.nulls()),
        FieldArray::I64(a) => (1, a.nulls()),
        FieldArray::Bool(a) => (2, a.nulls()),
        FieldArray::Str(a) => (3, a.nulls()),
    };
    let nulls = nulls.filter(|n| n.null_count() > 0);
    out.extend_from_slice(&[kind, u8::from(nulls.is_some())]);
    if let Some(nulls) = nulls {
        put_bits(out, nulls.iter());
    }
    let valid = |i: &usize| nulls.is_none_or(|n| n.is_valid(*i));
    match values {
        FieldArray::F64(a) => put_words(out, a.values(), nulls, |v| v.to_bits().to_le_bytes()),
        FieldArray::I64(a) => put_words(out, a.values(), nulls, |v| v.to_le_bytes()),
        FieldArray::Bool(a) => put_bits(out, (0..a.len()).filter(valid).map(|i| a.value(i))),
        FieldArray::Str(a) => {
            for i in (0..a.len()).filter(valid) {
                put_varint(out, count(a.value(i).len())?);
            }
            (0..a.len()).filter(valid).for_each(|i| out.extend_from_slice(a.value(i).as_bytes()));
        }
    }
    Ok(())
}

fn put_words<T: Copy>(
    out: &mut Vec<u8>,
    values: &[T],
    nulls: Option<&NullBuffer>,
    bytes: impl Fn(T) -> [u8; 8],
) {
    out.reserve(values.len().saturating_mul(8));
    match nulls {
        None => values.iter().for_each(|&v| out.extend_from_slice(&bytes(v))),
        Some(nulls) => {
            nulls.valid_indices().for_each(|i| out.extend_from_slice(&bytes(values[i])));
        }
    }
}

fn decode_body(body: &[u8]) -> Result<WalEntry> {
    let mut input = Input(body);
    let count = input.u32()?;
    let mut batches = Vec::new();
    for _ in 0..count {
        batches.push(take_batch(&mut input)?);
    }
    if !input.0.is_empty() {
        return Err(Error::corrupt(format!("{} bytes too many", input.0.len())));
    }
    Ok(WalEntry { batches })
}

fn take_batch(input: &mut Input<'_>) -> Result<WalBatch> {
    let table = input.name()?.to_owned();
    let mut tags = Vec::new();
    for _ in 0..input.u16()? {
        tags.push(input.name()?.to_owned());
    }
    let rows = input.u32()? as usize;
    let series = take_series(input, tags.len())?;
    let series_of: Vec<u32> = match width(series.len()) {
        // Every row's time stands later; without this the rows would be believed too early.
        0 if rows.checked_mul(8).is_none_or(|len| len > input.0.len()) => {
            return Err(Error::corrupt(format!("{rows} rows in {} bytes", input.0.len())));
        }
        0 => vec![0; rows],
        1 => input.take(rows)?.iter().map(|&s| u32::from(s)).collect(),
        2 => {
            let items = input.items(rows, 2)?.as_chunks::<2>().0.iter();
            items.map(|s| u32::from(u16::from_le_bytes(*s))).collect()
        }
        _ => {
            let items = input.items(rows, 4)?.as_chunks::<4>().0.iter();
            items.map(|s| u32::from_le_bytes(*s)).collect()
        }
    };
    let mut time = 0i64;
    let mut step = |difference: u64| {
        time = time.wrapping_add(difference.cast_signed());
        time
    };
    let times: Vec<i64> = input.words(rows)?.map(&mut step).collect();
    let mut fields = Vec::new();
    for _ in 0..input.u16()? {
        fields.push(take_field(input, rows)?);
    }
    let batch = Batch::new(table, series, series_of, times, fields)
        .map_err(|_| Error::corrupt("a row of a series that isn't there"))?;
    Ok(WalBatch { tags, batch })
}

fn take_series(input: &mut Input<'_>, tags: usize) -> Result<Vec<SeriesKey>> {
    let series = input.u32()? as usize;
    // Each tag of each series takes a byte; without tags there is one series.
    let least = input.0.len().checked_div(tags).unwrap_or(1);
    if series > least {
        return Err(Error::corrupt(format!("{series} series of {tags} tags")));
    }
    let mut keys = vec![vec![None; tags]; series];
    for tag in 0..tags {
        for key in &mut keys {
            if let Some(len) = input.varint()?.checked_sub(1) {
                key[tag] = Some(Box::from(input.text(len as usize)?));
            }
        }
    }
    Ok(keys.into_iter().map(|tags| SeriesKey { tags: tags.into() }).collect())
}

fn take_field(input: &mut Input<'_>, rows: usize) -> Result<(String, FieldArray)> {
    let name = input.name()?.to_owned();
    let kind = input.u8()?;
    let nulls = match input.u8()? {
        0 => None,
        1 => Some(NullBuffer::new(input.bits(rows)?.collect::<BooleanBuffer>())),
        flag => return Err(Error::corrupt(format!("validity flag {flag}"))),
    };
    let count = nulls.as_ref().map_or(rows, |n| rows - n.null_count());
    let values = match kind {
        0 => {
            let values = input.words(count)?.map(f64::from_bits);
            FieldArray::F64(Float64Array::new(spread(values, rows, nulls.as_ref()).into(), nulls))
        }
        1 => {
            let values = input.words(count)?.map(u64::cast_signed);
            FieldArray::I64(Int64Array::new(spread(values, rows, nulls.as_ref()).into(), nulls))
        }
        2 => {
            let values = spread(input.bits(count)?, rows, nulls.as_ref());
            FieldArray::Bool(BooleanArray::new(values.into(), nulls))
        }
        3 => FieldArray::Str(take_strings(input, count, rows, nulls.as_ref())?),
        _ => return Err(Error::corrupt(format!("field type {kind}"))),
    };
    Ok((name, values))
}

/// One slot a row: `values` at the rows that hold one, zeros elsewhere.
fn spread<T: Copy + Default>(
    mut values: impl Iterator<Item = T>,
    rows: usize,
    nulls: Option<&NullBuffer>,
) -> Vec<T> {
    match nulls {
        None => values.collect(),
        Some(nulls) => {
            let mut slots = vec![T::default(); rows];
            nulls.valid_indices().for_each(|i| slots[i] = values.next().unwrap_or_default());
            slots
        }
    }
}

fn take_strings(
    input: &mut Input<'_>,
    count: usize,
    rows: usize,
    nulls: Option<&NullBuffer>,
) -> Result<StringViewArray> {
    if count > input.0.len() {
        return Err(Error::corrupt(format!("{count} strings in {} bytes", input.0.len())));
    }
    let mut lengths = Vec::with_capacity(count);
    for _ in 0..count {
        lengths.push(input.varint()? as usize);
    }
    let mut lengths = lengths.into_iter();
    let mut strings = StringViewBuilder::with_capacity(rows);
    for row in 0..rows {
        if nulls.is_some_and(|n| n.is_null(row)) {
            strings.append_null();
        } else {
            let value = input.text(lengths.next().unwrap_or(0))?;
            let appended = strings.try_append_value(value);
            appended.map_err(|e| Error::corrupt(format!("a string: {e}")))?;
        }
    }
    Ok(strings.finish())
}

//! The statistics of a column's blocks as they are stored, a struct of arrays; none for strings.
//!
//! Where all values are whole numbers of tenths (of integers: as they are) that lie not too far
//! apart, the arrays hold these: the least, and above it the greatest, the first, the last, the
//! sum and the sum of squares. A byte or two each, and exact. Otherwise they hold patterns of bits.

use super::array::{self, Array};
use super::layout::Shape;
use super::summary;
use super::{BoolStats, Ends, FloatStats, IntStats, Stats};
use crate::codec::units;
use crate::codec::varint::{unzigzag, zigzag};
use crate::error::{Error, Result};
use crate::model::{FieldType, Timestamp, Value};

/// Numbers that are further apart are not summed above their least.
const APART: u64 = 1 << 52;

/// Statistics of the numbers of a block that has points.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Numbers {
    least: i64,
    /// All of these above the least.
    most: u64,
    first: u64,
    last: u64,
    sum: u64,
    squares: u128,
}

impl Numbers {
    /// Of the numbers of a block; `None` where they lie too far apart.
    pub(super) fn of(numbers: &[i64]) -> Option<Self> {
        let (&first, &last) = (numbers.first()?, numbers.last()?);
        let (least, most) = summary::extremes(numbers);
        let above = |number: i64| number.wrapping_sub(least) as u64;
        if above(most) >= APART {
            return None;
        }
        let (sum, squares) = summary::above(numbers, least, above(most));
        let (most, first, last) = (above(most), above(first), above(last));
        Some(Self { least, most, first, last, sum, squares })
    }

    fn number(&self, above: u64) -> i64 {
        self.least.wrapping_add(above as i64)
    }

    fn total(&self, count: u64) -> i128 {
        i128::from(count) * i128::from(self.least) + i128::from(self.sum)
    }

    /// The sum of squared deviations from the mean, of numbers.
    fn deviations(&self, count: u64) -> f64 {
        // n * sum of squares - square of the sum: below 2^10 * 2^114 - and exact.
        let (n, sum) = (u128::from(count), u128::from(self.sum));
        n.saturating_mul(self.squares).saturating_sub(sum * sum) as f64 / count as f64
    }

    pub(super) fn floats(&self, count: u64, exponent: u8, times: (i64, i64)) -> FloatStats {
        let value = |above: u64| units::decimal(self.number(above), exponent);
        let unit = units::decimal(1, exponent);
        FloatStats {
            count,
            nans: 0,
            min: value(0),
            max: value(self.most),
            sum: units::decimal_sum(self.total(count), exponent),
            m2: self.deviations(count) * unit * unit,
            ends: Ends {
                first: value(self.first),
                first_time: times.0,
                last: value(self.last),
                last_time: times.1,
            },
        }
    }

    pub(super) fn ints(&self, count: u64, times: (i64, i64)) -> IntStats {
        IntStats {
            count,
            min: self.least,
            max: self.number(self.most),
            sum: self.total(count),
            m2: self.deviations(count),
            ends: Ends {
                first: self.number(self.first),
                first_time: times.0,
                last: self.number(self.last),
                last_time: times.1,
            },
        }
    }
}

/// The statistics of a column, as they are to be stored.
pub(super) enum Form {
    /// Of whole numbers, and of which power of ten.
    Numbers(u8, Vec<Option<Numbers>>),
    /// Of values.
    Plain(Vec<Option<Stats>>),
}

/// Appends the arrays of a column. `points`: for a column with nulls, of each block how many there
/// are, how long after the block's first time the first of them is, and how long before the
/// block's last time the last of them.
pub(super) fn write(form: &Form, shape: Shape, points: Option<&[[u64; 3]]>, out: &mut Vec<u8>) {
    if let Some(points) = points {
        for at in 0..3 {
            array::write(points.iter().map(|block| block[at].into()), out);
        }
    }
    match form {
        Form::Numbers(exponent, blocks) => {
            out.push(*exponent);
            let blocks = || blocks.iter().map(|block| block.unwrap_or_default());
            array::write(blocks().map(|b| zigzag(b.least).into()), out);
            array::write(blocks().map(|b| b.most.into()), out);
            array::write(blocks().map(|b| b.first.into()), out);
            array::write(blocks().map(|b| b.last.into()), out);
            array::write(blocks().map(|b| b.sum.into()), out);
            array::write(blocks().map(|b| b.squares), out);
        }
        Form::Plain(blocks) => {
            for at in 0..arrays(shape.ty) {
                array::write(blocks.iter().map(|b| b.as_ref().map_or(0, |b| plain(b, at))), out);
            }
        }
    }
}

/// How many arrays the values of a type have.
fn arrays(ty: FieldType) -> usize {
    match ty {
        FieldType::F64 => 7,
        FieldType::I64 => 6,
        FieldType::Bool => 3,
        FieldType::Str => 0,
    }
}

/// What array `at` holds of a block.
fn plain(stats: &Stats, at: usize) -> u128 {
    match stats {
        Stats::F64(s) => {
            let values = [s.min, s.max, s.sum, s.m2, s.ends.first, s.ends.last];
            values.get(at).map_or(s.nans, |value| value.to_bits()).into()
        }
        Stats::I64(s) => match at {
            2 => s.sum as u128,
            3 => s.m2.to_bits().into(),
            _ => ([s.min, s.max, 0, 0, s.ends.first, s.ends.last][at] as u64).into(),
        },
        Stats::Bool(s) => [s.trues, s.ends.first.into(), s.ends.last.into()][at].into(),
        Stats::Str(_) => 0,
    }
}

/// Where the statistics of a column stand.
#[derive(Debug)]
pub(super) struct Records {
    points: Option<[Array; 3]>,
    values: Arrays,
}

#[derive(Debug)]
enum Arrays {
    /// Exponents belong to doubles only.
    Numbers(Option<u8>, [Array; 6]),
    F64([Array; 7]),
    I64([Array; 6]),
    Bool([Array; 3]),
    None,
}

impl Records {
    /// Takes the arrays of a column of `blocks` blocks from the front of `rest`, which ends where
    /// `bytes` do, and checks what can be checked of them.
    pub(super) fn take(
        bytes: &[u8],
        rest: &mut &[u8],
        shape: Shape,
        block_rows: &[usize],
        spans: &[(Timestamp, Timestamp)],
    ) -> Result<Self> {
        let n = block_rows.len();
        let mut points = None;
        if !shape.dense {
            let own: [Array; 3] = arrays_of(bytes, rest, n)?;
            for (block, (&rows, span)) in block_rows.iter().zip(spans).enumerate() {
                let [count, late, early] = own.map(|array| array.get(bytes, block));
                let length = u128::from(span.1.wrapping_sub(span.0) as u64);
                if count > rows as u128 || late + early > length {
                    return Err(Error::corrupt(format!(
                        "chunk: statistics of {count} points in {rows} rows, {late} ns after the \
                         first and {early} ns before the last"
                    )));
                }
            }
            points = Some(own);
        }
        let values = match shape.ty {
            FieldType::F64 | FieldType::I64 if shape.whole => {
                let exponent = crate::codec::varint::take(rest, 1)?[0];
                let integers = shape.ty == FieldType::I64;
                if exponent > units::MOST_EXPONENT || (integers && exponent > 0) {
                    return Err(Error::corrupt(format!("chunk: statistics in 10^-{exponent}")));
                }
                Arrays::Numbers((!integers).then_some(exponent), arrays_of(bytes, rest, n)?)
            }
            FieldType::F64 => Arrays::F64(arrays_of(bytes, rest, n)?),
            FieldType::I64 => Arrays::I64(arrays_of(bytes, rest, n)?),
            FieldType::Bool => Arrays::Bool(arrays_of(bytes, rest, n)?),
            FieldType::Str => Arrays::None,
        };
        let special = match &values {
            Arrays::F64(arrays) => Some(arrays[6]),
            Arrays::Bool(arrays) => Some(arrays[0]),
            _ => None,
        };
        for (block, &rows) in block_rows.iter().enumerate() {
            let count = points.map_or(rows as u128, |points| points[0].get(bytes, block));
            let special = special.map_or(0, |array| array.get(bytes, block));
            if special > count {
                return Err(Error::corrupt(format!(
                    "chunk: statistics of {count} points, {special} of them special"
                )));
            }
        }
        Ok(Self { points, values })
    }

    /// The statistics of a block; `None` where it has no point.
    pub(super) fn read(
        &self,
        bytes: &[u8],
        block: usize,
        rows: usize,
        span: (Timestamp, Timestamp),
    ) -> Option<Stats> {
        let mut count = rows as u64;
        let mut times = span;
        if let Some(points) = self.points {
            let [own, late, early] = points.map(|array| array.low(bytes, block));
            count = own;
            times = (span.0.wrapping_add(late as i64), span.1.wrapping_sub(early as i64));
        }
        if count == 0 {
            return None;
        }
        let ends =
            |first: f64, last: f64| Ends { first, first_time: times.0, last, last_time: times.1 };
        match &self.values {
            Arrays::Numbers(exponent, arrays) => {
                let [least, most, first, last, sum] =
                    std::array::from_fn(|at| arrays[at].low(bytes, block));
                let squares = arrays[5].get(bytes, block);
                let numbers = Numbers { least: unzigzag(least), most, first, last, sum, squares };
                Some(match exponent {
                    None => Stats::I64(numbers.ints(count, times)),
                    Some(exponent) => Stats::F64(numbers.floats(count, *exponent, times)),
                })
            }
            Arrays::F64(arrays) => {
                let [min, max, sum, m2, first, last] =
                    std::array::from_fn(|at| f64::from_bits(arrays[at].low(bytes, block)));
                let nans = arrays[6].low(bytes, block);
                let ends = ends(first, last);
                Some(Stats::F64(FloatStats { count, nans, min, max, sum, m2, ends }))
            }
            Arrays::I64(arrays) => {
                let long = |at: usize| arrays[at].low(bytes, block) as i64;
                Some(Stats::I64(IntStats {
                    count,
                    min: long(0),
                    max: long(1),
                    sum: arrays[2].get(bytes, block) as i128,
                    m2: f64::from_bits(arrays[3].low(bytes, block)),
                    ends: Ends {
                        first: long(4),
                        first_time: times.0,
                        last: long(5),
                        last_time: times.1,
                    },
                }))
            }
            Arrays::Bool(arrays) => {
                let [trues, first, last] = arrays.map(|array| array.low(bytes, block));
                let (first, last) = (first != 0, last != 0);
                let ends = Ends { first, first_time: times.0, last, last_time: times.1 };
                Some(Stats::Bool(BoolStats { count, trues, ends }))
            }
            Arrays::None => None,
        }
    }

    /// The last value of a block without nulls.
    pub(super) fn last(&self, bytes: &[u8], block: usize) -> Option<Value> {
        let low = |array: &Array| array.low(bytes, block);
        Some(match &self.values {
            Arrays::Numbers(exponent, arrays) => {
                let number = unzigzag(low(&arrays[0])).wrapping_add(low(&arrays[3]) as i64);
                match exponent {
                    Some(exponent) => Value::F64(units::decimal(number, *exponent)),
                    None => Value::I64(number),
                }
            }
            Arrays::F64(arrays) => Value::F64(f64::from_bits(low(&arrays[5]))),
            Arrays::I64(arrays) => Value::I64(low(&arrays[5]) as i64),
            Arrays::Bool(arrays) => Value::Bool(low(&arrays[2]) != 0),
            Arrays::None => return None,
        })
    }

    /// The power of ten, the least and the greatest of a block's whole numbers, where they are such.
    pub(super) fn number_ends(&self, bytes: &[u8], block: usize) -> Option<(u8, i64, i64)> {
        match &self.values {
            Arrays::Numbers(exponent, arrays) => {
                let least = unzigzag(arrays[0].low(bytes, block));
                let most = least.checked_add_unsigned(arrays[1].low(bytes, block))?;
                Some((exponent.unwrap_or(0), least, most))
            }
            _ => None,
        }
    }

    /// Whether there are any.
    pub(super) fn any(&self) -> bool {
        !matches!(self.values, Arrays::None)
    }
}

fn arrays_of<const N: usize>(bytes: &[u8], rest: &mut &[u8], n: usize) -> Result<[Array; N]> {
    let mut arrays = Vec::with_capacity(N);
    for _ in 0..N {
        arrays.push(Array::take(bytes, rest, n)?);
    }
    arrays.try_into().map_err(|_| Error::Internal("an array of arrays".to_owned()))
}

//! Distances out of a list.
//!
//! The list has the most frequent distance first, so that places are small and the rare ones are
//! patches of their block.

use std::borrow::Cow;
use std::cmp::Reverse;

use crate::codec::integers::column::{Plan, Reader};
use crate::codec::integers::{self, MOST};
use crate::codec::{Effort, Encoded, Encoding, varint};
use crate::error::{Error, Result};

/// Most distances of a list: one block of integers.
const LISTED: usize = MOST;
/// Times that a list is not worth its bytes for.
const FROM: usize = 64;

/// Encodes times whose blocks end at `ends`; `None` where the distances are too many, or the
/// column would not be smaller than `size`.
pub(super) fn encode(
    values: &[i64],
    ends: &[usize],
    size: usize,
    effort: Effort,
) -> Option<Encoded> {
    // Two bits a time are as good as a list gets.
    if values.len() < FROM || size * 4 < values.len() {
        return None;
    }
    let mut places = hashbrown::HashMap::<i64, i64, foldhash::fast::FixedState>::default();
    let (mut counts, mut own) = (Vec::<(i64, u32)>::new(), Vec::with_capacity(values.len()));
    let mut before = values[0];
    for (row, &time) in values.iter().enumerate() {
        // A block's first time stands for itself; its place is that of the most frequent.
        if row % MOST == 0 {
            own.push(-1);
        } else {
            let distance = time.wrapping_sub(before);
            let place = *places.entry(distance).or_insert_with(|| {
                counts.push((distance, 0));
                counts.len() as i64 - 1
            });
            if counts.len() > LISTED {
                return None;
            }
            counts[place as usize].1 += 1;
            own.push(place);
        }
        before = time;
    }
    let mut order: Vec<usize> = (0..counts.len()).collect();
    order.sort_by_key(|&at| Reverse(counts[at].1));
    let list: Vec<i64> = order.iter().map(|&at| counts[at].0).collect();
    let mut rank = vec![0; order.len()];
    order.iter().enumerate().for_each(|(place, &at)| rank[at] = place as i64);
    own.iter_mut().for_each(|place| *place = usize::try_from(*place).map_or(0, |at| rank[at]));

    let mut shared = Vec::new();
    varint::write(list.len() as u64, &mut shared);
    let mut block = Vec::new();
    integers::encode(&list, &mut block);
    varint::write(block.len() as u64, &mut shared);
    shared.append(&mut block);
    let mut plan = Plan::of(Cow::Owned(own), ends, effort);
    plan.write_shared(&mut shared);
    let encoded = Encoded::of_blocks(Encoding::Strides, shared, ends, |range, out| {
        if let Some(first) = values.get(range.start) {
            varint::write_signed(*first, out);
            plan.write_block(range, out);
        }
    });
    (encoded.size() < size).then_some(encoded)
}

/// What is needed to read a column's blocks.
#[derive(Debug)]
pub(super) struct Strides {
    list: Vec<i64>,
    places: Reader,
}

impl Strides {
    /// Takes what the blocks share.
    pub(super) fn read(shared: &mut &[u8]) -> Result<Self> {
        let listed = varint::read(shared)?;
        let listed = usize::try_from(listed)
            .ok()
            .filter(|listed| (1..=LISTED).contains(listed))
            .ok_or_else(|| Error::corrupt(format!("strides: a list of {listed} distances")))?;
        let length = varint::read(shared)?;
        let mut list = vec![0; listed];
        integers::decode(varint::take(shared, length)?, &mut list)?;
        Ok(Self { list, places: Reader::open(shared)? })
    }

    /// Fills `out` with a block.
    pub(super) fn decode(&self, mut block: &[u8], out: &mut [i64]) -> Result<()> {
        if out.is_empty() {
            return if block.is_empty() { Ok(()) } else { Err(Error::corrupt("strides: of none")) };
        }
        let mut time = varint::read_signed(&mut block)?;
        self.places.decode(block, out)?;
        let most = out.iter().fold(0, |most, &place| most.max(place as u64));
        if most >= self.list.len() as u64 {
            let listed = self.list.len();
            return Err(Error::corrupt(format!("strides: place {most} of {listed}")));
        }
        if let Some((first, rest)) = out.split_first_mut() {
            *first = time;
            for slot in rest {
                time = time.wrapping_add(self.list[*slot as usize]);
                *slot = time;
            }
        }
        Ok(())
    }
}

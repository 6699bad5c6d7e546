//! Run-time dispatch: one piece of portable Rust, compiled for several instruction sets.
//!
//! Kernels are written as loops over arrays of fixed length that the compiler turns into vector
//! instructions; [`dispatched`] compiles them once for each [`Level`] and calls the best that this
//! machine has. There is no second algorithm, so levels can differ in speed only; on AArch64 NEON
//! is part of the baseline and the portable form uses it. Two kernels that no compiler finds
//! stand here by hand, each behind a portable twin: sums of what came before, and looking up.

use std::sync::atomic::{AtomicU8, Ordering};

/// Instruction sets that kernels are compiled for, from the least to the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// What every machine of the architecture has.
    Portable = 1,
    /// AVX2, BMI2 and FMA: x86-64-v3.
    Avx2 = 2,
    /// AVX-512 F, BW, CD, DQ and VL beside that: x86-64-v4.
    Avx512 = 3,
}

/// The level in use; 0 until it is first asked for.
static LEVEL: AtomicU8 = AtomicU8::new(0);

/// The level that kernels run at.
#[inline(always)]
pub fn level() -> Level {
    match LEVEL.load(Ordering::Relaxed) {
        1 => Level::Portable,
        2 => Level::Avx2,
        3 => Level::Avx512,
        _ => detected(),
    }
}

#[cold]
fn detected() -> Level {
    let level = best();
    LEVEL.store(level as u8, Ordering::Relaxed);
    level
}

/// The best level of this machine.
pub fn best() -> Level {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::is_x86_feature_detected as has;
        let v3 = has!("avx2") && has!("bmi1") && has!("bmi2") && has!("fma") && has!("lzcnt");
        let v4 = has!("avx512f")
            && has!("avx512bw")
            && has!("avx512cd")
            && has!("avx512dq")
            && has!("avx512vl");
        if v3 && v4 {
            return Level::Avx512;
        }
        if v3 {
            return Level::Avx2;
        }
    }
    Level::Portable
}

/// Runs kernels at `level`, or the best that this machine has below it, from now on: for tests
/// and benches that compare levels. Returns what is in use then.
pub fn limit(level: Level) -> Level {
    let level = level.min(best());
    LEVEL.store(level as u8, Ordering::Relaxed);
    level
}

/// The slots of doubles as slots of integers, so that what doubles are made of needs no room of
/// its own.
pub(crate) fn as_integers(slots: &mut [f64]) -> &mut [i64] {
    // SAFETY: both types have the same size and alignment, and every pattern of bits is a value of
    // either.
    unsafe { std::slice::from_raw_parts_mut(slots.as_mut_ptr().cast(), slots.len()) }
}

/// Adds to each integer those before it, and `start`; it wraps.
pub(crate) fn accumulate(start: i64, slots: &mut [i64]) {
    let (mut start, mut rest) = (start, slots);
    #[cfg(target_arch = "x86_64")]
    if level() == Level::Avx512 {
        let (chunks, tail) = rest.as_chunks_mut::<8>();
        // SAFETY: a level is in use only where `best` found its features.
        start = unsafe { avx512::accumulate(start, chunks) };
        rest = tail;
    }
    for slot in rest {
        start = start.wrapping_add(*slot);
        *slot = start;
    }
}

/// Puts the values of a list, which is not empty, in the place of their places; `false` where some
/// places are past its end.
pub(crate) fn look_up(list: &[f64], slots: &mut [f64]) -> bool {
    let mut rest = slots;
    let mut within = true;
    #[cfg(target_arch = "x86_64")]
    if level() == Level::Avx512 && !list.is_empty() {
        let (chunks, tail) = rest.as_chunks_mut::<8>();
        // SAFETY: as above.
        within = unsafe { avx512::look_up(list, chunks) };
        rest = tail;
    }
    for slot in rest {
        match usize::try_from(slot.to_bits()).ok().and_then(|place| list.get(place)) {
            Some(value) => *slot = *value,
            None => within = false,
        }
    }
    within
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use std::arch::x86_64::*;

    /// [`super::accumulate`] of eights; what the last of them comes to.
    #[target_feature(enable = "avx512f")]
    pub(super) fn accumulate(start: i64, chunks: &mut [[i64; 8]]) -> i64 {
        let zero = _mm512_setzero_si512();
        let last = _mm512_set1_epi64(7);
        let mut before = _mm512_set1_epi64(start);
        for chunk in chunks {
            // SAFETY: eight integers are 64 bytes, and no alignment is asked for.
            let sums = unsafe { _mm512_loadu_si512(chunk.as_ptr().cast()) };
            // Three steps of shifted additions.
            let sums = _mm512_add_epi64(sums, _mm512_alignr_epi64::<7>(sums, zero));
            let sums = _mm512_add_epi64(sums, _mm512_alignr_epi64::<6>(sums, zero));
            let sums = _mm512_add_epi64(sums, _mm512_alignr_epi64::<4>(sums, zero));
            let values = _mm512_add_epi64(sums, before);
            // SAFETY: as above.
            unsafe { _mm512_storeu_si512(chunk.as_mut_ptr().cast(), values) };
            // From the sums, not the values: one addition from chunk to chunk.
            before = _mm512_add_epi64(before, _mm512_permutexvar_epi64(last, sums));
        }
        _mm_cvtsi128_si64(_mm512_castsi512_si128(before))
    }

    /// [`super::look_up`] of eights; `list` is not empty.
    #[target_feature(enable = "avx512f")]
    pub(super) fn look_up(list: &[f64], chunks: &mut [[f64; 8]]) -> bool {
        let last = _mm512_set1_epi64(list.len() as i64 - 1);
        let mut most = _mm512_setzero_si512();
        for chunk in chunks {
            // SAFETY: eight doubles are 64 bytes, and no alignment is asked for.
            let places = unsafe { _mm512_loadu_si512(chunk.as_ptr().cast()) };
            most = _mm512_max_epu64(most, places);
            let held = _mm512_min_epu64(places, last);
            // SAFETY: no place is past the last of the list now, and it is not empty.
            let values = unsafe { _mm512_i64gather_pd::<8>(held, list.as_ptr()) };
            // SAFETY: as for the load.
            unsafe { _mm512_storeu_pd(chunk.as_mut_ptr(), values) };
        }
        _mm512_cmpgt_epu64_mask(most, last) == 0
    }
}

/// Compiles a function for every [`Level`] and calls the one in use.
macro_rules! dispatched {
    ($(
        $(#[$doc:meta])*
        $vis:vis fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $out:ty)? $body:block
    )+) => {$(
        $(#[$doc])*
        $vis fn $name($($arg: $ty),*) $(-> $out)? {
            #[inline(always)]
            fn portable($($arg: $ty),*) $(-> $out)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(
                    enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,bmi1,bmi2,fma,lzcnt"
                )]
                fn avx512($($arg: $ty),*) $(-> $out)? {
                    portable($($arg),*)
                }

                #[target_feature(enable = "avx2,bmi1,bmi2,fma,lzcnt")]
                fn avx2($($arg: $ty),*) $(-> $out)? {
                    portable($($arg),*)
                }

                match $crate::codec::simd::level() {
                    // SAFETY: a level is in use only where `best` found its features.
                    $crate::codec::simd::Level::Avx512 => return unsafe { avx512($($arg),*) },
                    // SAFETY: as above.
                    $crate::codec::simd::Level::Avx2 => return unsafe { avx2($($arg),*) },
                    $crate::codec::simd::Level::Portable => {}
                }
            }
            portable($($arg),*)
        }
    )+};
}
pub(crate) use dispatched;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::testing::noise;

    const LEVELS: [Level; 3] = [Level::Portable, Level::Avx2, Level::Avx512];

    #[test]
    fn sums_of_what_came_before() {
        for level in LEVELS {
            limit(level);
            for n in [0, 1, 7, 8, 9, 64, 1023, 1024] {
                let steps: Vec<i64> = (0..n).map(|i| noise(i) as i64).collect();
                let (mut got, mut sum) = (steps.clone(), -9i64);
                accumulate(sum, &mut got);
                for (step, got) in steps.iter().zip(got) {
                    sum = sum.wrapping_add(*step);
                    assert_eq!(got, sum, "{n} integers, {level:?}");
                }
            }
        }
    }

    #[test]
    fn places_are_looked_up_or_told_to_be_none() {
        let list: Vec<f64> = (0..300).map(|i| f64::from(i).sqrt()).collect();
        for level in LEVELS {
            limit(level);
            for n in [1, 7, 8, 100, 1024] {
                let places: Vec<u64> = (0..n).map(|i| noise(i) % 300).collect();
                let slots = || places.iter().map(|at| f64::from_bits(*at)).collect::<Vec<f64>>();
                let mut got = slots();
                assert!(look_up(&list, &mut got));
                for (place, got) in places.iter().zip(got) {
                    assert_eq!(got, list[*place as usize], "{n} places, {level:?}");
                }
                for at in [0, n as usize / 2, n as usize - 1] {
                    for past in [300, 1 << 32, u64::MAX] {
                        let mut slots = slots();
                        slots[at] = f64::from_bits(past);
                        assert!(!look_up(&list, &mut slots), "place {past} at {at}, {level:?}");
                    }
                }
                assert!(!look_up(&[], &mut slots()));
            }
        }
    }

    #[test]
    fn slots_hold_patterns_of_bits() {
        let mut slots = [0.0, 0.0, f64::NAN];
        as_integers(&mut slots[..2]).copy_from_slice(&[1.5f64.to_bits() as i64, i64::MIN]);
        assert_eq!((slots[0], slots[1].to_bits()), (1.5, (-0.0f64).to_bits()));
        assert!(as_integers(&mut []).is_empty());
    }
}

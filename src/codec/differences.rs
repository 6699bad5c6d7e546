//! First and second differences of integers, and the divisor they share.

/// What the integer encodings need to know of their values, found in one place.
pub(crate) struct Differences {
    /// `values[i + 1] - values[i]`, wrapping.
    pub(crate) first: Vec<i64>,
    /// `first[i + 1] - first[i]`, wrapping.
    pub(crate) second: Vec<i64>,
    /// Divides every distance between two values; 1 when nothing does or a difference wrapped.
    pub(crate) value_scale: u64,
    /// Divides every distance between two first differences, and so every second difference.
    pub(crate) delta_scale: u64,
}

impl Differences {
    pub(crate) fn of(values: &[i64]) -> Self {
        let mut wrapped = false;
        let mut pairs = |values: &[i64]| -> Vec<i64> {
            let step = |w: &[i64]| {
                let (difference, overflow) = w[1].overflowing_sub(w[0]);
                wrapped |= overflow;
                difference
            };
            values.windows(2).map(step).collect()
        };
        let first = pairs(values);
        let second = pairs(&first);
        let (mut value_scale, mut delta_scale) = (1, 1);
        if !wrapped {
            delta_scale = second
                .iter()
                .try_fold(0, |g, d| match gcd(g, d.unsigned_abs()) {
                    1 => None,
                    g => Some(g),
                })
                .unwrap_or(1)
                .max(1);
            let step = first.first().map_or(0, |d| d.unsigned_abs());
            let all_steps_equal = second.iter().all(|&d| d == 0);
            value_scale = gcd(if all_steps_equal { 0 } else { delta_scale }, step).max(1);
        }
        Self { first, second, value_scale, delta_scale }
    }
}

/// The greatest common divisor; `gcd(0, b)` is `b`.
fn gcd(a: u64, b: u64) -> u64 {
    let (mut a, mut b) = (b, a);
    while b != 0 {
        (a, b) = (b, remainder(a, b));
    }
    a
}

/// `a % b`; 32 bits divide several times faster than 64.
#[inline(always)]
fn remainder(a: u64, b: u64) -> u64 {
    match (u32::try_from(a), u32::try_from(b)) {
        (Ok(a), Ok(b)) => (a % b).into(),
        _ => a % b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_divide_what_they_say() {
        let scales = |values: &[i64]| {
            let differences = Differences::of(values);
            (differences.value_scale, differences.delta_scale)
        };
        assert_eq!(scales(&[]), (1, 1));
        assert_eq!(scales(&[5]), (1, 1));
        assert_eq!(scales(&[5, 5]), (1, 1));
        assert_eq!(scales(&[-5, 25]), (30, 1));
        assert_eq!(scales(&[1, 13, 31, 37]), (6, 6));
        assert_eq!(scales(&[0, 7, 17, 37]), (1, 1));
        assert_eq!(scales(&[0, 7, 17, 30, 43]), (1, 3));
        assert_eq!(scales(&[0, 3 << 40, 9 << 40, 6 << 40]), (3 << 40, 3 << 40));
        assert_eq!(scales(&[i64::MIN, i64::MAX, i64::MIN]), (1, 1));
        assert_eq!(scales(&[0, 1 << 62, -(1 << 62), 1 << 62]), (1, 1));
    }
}

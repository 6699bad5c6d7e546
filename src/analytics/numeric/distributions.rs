//! Tails of Student's t, Fisher's F, the normal and the chi-squared distribution.
//!
//! The regularized incomplete beta function is a continued fraction (Lentz's method, as Press et
//! al., "Numerical Recipes", 6.4) behind a factor whose logarithm is taken by Stirling's series for
//! large arguments, so that neither a million degrees of freedom nor a tail of 1e-300 loses digits.

use std::f64::consts::{LN_2, PI};

use statrs::function::gamma::ln_gamma;

/// Terms of the continued fraction after which it is given up; it needs about the square root of
/// its larger argument.
const TERMS: u32 = 100_000;
/// The least that a denominator may be.
const TINY: f64 = 1e-300;

/// The probability of a t at least as far from 0, on either side; NaN for `df` that is not positive.
pub fn t_two_sided(t: f64, df: f64) -> f64 {
    if t.is_nan() || df.is_nan() || df <= 0.0 {
        return f64::NAN;
    }
    // Above this the square has no digits of df left.
    let square = if t.abs() > 1e150 { f64::INFINITY } else { t * t };
    let within = if square.is_infinite() { 1.0 } else { square / (df + square) };
    let out = if square.is_infinite() { 0.0 } else { df / (df + square) };
    beta(out, within, df / 2.0, 0.5)
}

/// The probability of an F at least as large; NaN for degrees of freedom that are not positive.
pub fn f_above(f: f64, df1: f64, df2: f64) -> f64 {
    if f.is_nan() || df1.is_nan() || df2.is_nan() || df1 <= 0.0 || df2 <= 0.0 {
        return f64::NAN;
    }
    if f <= 0.0 {
        return 1.0;
    }
    if f.is_infinite() {
        return 0.0;
    }
    let (own, rest) = (df1 * f, df2);
    beta(rest / (own + rest), own / (own + rest), df2 / 2.0, df1 / 2.0)
}

/// The probability of a correlation at least as far from 0 among `df` degrees of freedom (pairs
/// less two, less the conditions), if there is none; see [`CorrelationTail`].
pub fn correlation_two_sided(r: f64, df: f64) -> f64 {
    CorrelationTail::new(df).two_sided(r)
}

/// The tails of correlations that share their degrees of freedom: what those alone determine is
/// found once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CorrelationTail {
    df: f64,
    ln_beta: f64,
}

impl CorrelationTail {
    /// Among `df` degrees of freedom: pairs less two, less the conditions.
    pub fn new(df: f64) -> Self {
        Self { df, ln_beta: if df > 0.0 { ln_beta(df / 2.0, 0.5) } else { f64::NAN } }
    }

    /// The probability of a correlation at least as far from 0 if there is none; NaN below 0
    /// degrees of freedom. That of two pairs is always 1 or -1, and 1 is its probability.
    pub fn two_sided(&self, r: f64) -> f64 {
        if r.is_nan() || self.df.is_nan() || self.df < 0.0 {
            return f64::NAN;
        }
        if self.df == 0.0 {
            return 1.0;
        }
        beta_from((1.0 - r) * (1.0 + r), r * r, self.df / 2.0, 0.5, self.ln_beta)
    }
}

/// The probability of a normal z at least as far from 0, on either side.
pub fn normal_two_sided(z: f64) -> f64 {
    chi_squared_above(z * z, 1.0)
}

/// The probability of a chi-squared at least as large; NaN for `df` that is not positive.
pub fn chi_squared_above(x: f64, df: f64) -> f64 {
    if x.is_nan() || df.is_nan() || df <= 0.0 {
        return f64::NAN;
    }
    if x <= 0.0 {
        return 1.0;
    }
    gamma_above(df / 2.0, x / 2.0)
}

/// The regularized incomplete beta function of x for a and b above 0; `y` is 1 - x, given apart
/// since it may be too small to be told from x.
pub fn beta(x: f64, y: f64, a: f64, b: f64) -> f64 {
    beta_from(x, y, a, b, ln_beta(a, b))
}

fn beta_from(x: f64, y: f64, a: f64, b: f64, ln_beta: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if y <= 0.0 {
        return 1.0;
    }
    let ln = |own: f64, other: f64| if other < 0.5 { (-other).ln_1p() } else { own.ln() };
    let front = (a * ln(x, y) + b * ln(y, x) - ln_beta).exp();
    let value = if x < (a + 1.0) / (a + b + 2.0) {
        front * fraction(x, a, b) / a
    } else {
        1.0 - front * fraction(y, b, a) / b
    };
    value.clamp(0.0, 1.0)
}

/// The continued fraction of the incomplete beta function.
fn fraction(x: f64, a: f64, b: f64) -> f64 {
    let (mut c, mut d) = (1.0, 1.0 / far(1.0 - (a + b) * x / (a + 1.0)));
    let mut value = d;
    for term in 1..=TERMS {
        let m = f64::from(term);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / far(1.0 + even * d);
        c = far(1.0 + even / c);
        value *= c * d;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / far(1.0 + odd * d);
        c = far(1.0 + odd / c);
        let step = c * d;
        value *= step;
        if (step - 1.0).abs() < 3e-16 {
            break;
        }
    }
    value
}

/// The upper regularized incomplete gamma function, of a and x above 0: a series near 0, a continued
/// fraction elsewhere (Press et al., 6.2).
fn gamma_above(a: f64, x: f64) -> f64 {
    if x.is_infinite() {
        return 0.0;
    }
    let front = (a * x.ln() - x - ln_gamma(a)).exp();
    if x < a + 1.0 {
        let (mut term, mut sum) = (1.0 / a, 1.0 / a);
        for n in 1..=TERMS {
            term *= x / (a + f64::from(n));
            sum += term;
            if term < sum * 1e-17 {
                break;
            }
        }
        return (1.0 - front * sum).clamp(0.0, 1.0);
    }
    let mut b = x + 1.0 - a;
    let (mut c, mut d) = (1.0 / TINY, 1.0 / b);
    let mut value = d;
    for n in 1..=TERMS {
        let own = -f64::from(n) * (f64::from(n) - a);
        b += 2.0;
        d = 1.0 / far(own * d + b);
        c = far(b + own / c);
        value *= d * c;
        if (d * c - 1.0).abs() < 3e-16 {
            break;
        }
    }
    (front * value).clamp(0.0, 1.0)
}

/// The value, or the least that may be divided by.
fn far(value: f64) -> f64 {
    if value.abs() < TINY { TINY } else { value }
}

/// The logarithm of the beta function.
fn ln_beta(a: f64, b: f64) -> f64 {
    let (p, q) = (a.min(b), a.max(b));
    let share = p / (p + q);
    if p >= 10.0 {
        let rest = stirling(p) + stirling(q) - stirling(p + q);
        0.5 * (LN_2 + PI.ln()) - 0.5 * q.ln() + rest + (p - 0.5) * share.ln() + q * (-share).ln_1p()
    } else if q >= 10.0 {
        let rest = stirling(q) - stirling(p + q);
        ln_gamma(p) + rest + p - p * (p + q).ln() + (q - 0.5) * (-share).ln_1p()
    } else {
        ln_gamma(p) + ln_gamma(q) - ln_gamma(p + q)
    }
}

/// What Stirling's formula lacks of the logarithm of the gamma function, for x of at least 10.
fn stirling(x: f64) -> f64 {
    const SERIES: [f64; 6] =
        [1.0 / 12.0, -1.0 / 360.0, 1.0 / 1260.0, -1.0 / 1680.0, 1.0 / 1188.0, -691.0 / 360_360.0];
    let square = 1.0 / (x * x);
    SERIES.iter().rev().fold(0.0, |sum, term| sum * square + term) / x
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use statrs::distribution::{ContinuousCDF, FisherSnedecor, StudentsT};

    use super::*;

    fn near(found: f64, expected: f64, relative: f64) {
        assert!((found - expected).abs() <= relative * expected.abs(), "{found} {expected}");
    }

    #[test]
    fn tails_are_those_of_scipy() {
        // scipy.stats: 2 * t.sf(2, 10), 2 * t.sf(5, 1e6), f.sf(3, 4, 1987), 2 * t.sf(40, 30)
        near(t_two_sided(2.0, 10.0), 0.073_388_034_770_740_37, 1e-13);
        near(t_two_sided(-5.0, 1e6), 5.733_997_870_890_745e-7, 1e-11);
        near(f_above(3.0, 4.0, 1987.0), 0.017_576_308_090_129_385, 1e-12);
        near(t_two_sided(40.0, 30.0), 1.372_604_519_440_641_7e-27, 1e-12);
        near(chi_squared_above(3.0, 2.0), (-1.5f64).exp(), 1e-13);
        near(normal_two_sided(1.959_963_984_540_054), 0.05, 1e-13);
        // 2 * norm.sf(8), chi2.sf(120, 100), chi2.sf(80, 100)
        near(normal_two_sided(-8.0), 1.244192114854348e-15, 1e-12);
        near(chi_squared_above(120.0, 100.0), 0.08440668109369177, 1e-12);
        near(chi_squared_above(80.0, 100.0), 0.9296649333406051, 1e-12);
    }

    #[test]
    fn the_ends_are_exact_and_nonsense_is_nan() {
        assert_eq!(t_two_sided(0.0, 5.0), 1.0);
        assert_eq!(t_two_sided(f64::INFINITY, 5.0), 0.0);
        assert_eq!(f_above(0.0, 2.0, 3.0), 1.0);
        assert_eq!(f_above(f64::INFINITY, 2.0, 3.0), 0.0);
        assert_eq!(correlation_two_sided(1.0, 5.0), 0.0);
        assert_eq!(correlation_two_sided(-1.0, 0.0), 1.0);
        for bad in [
            t_two_sided(f64::NAN, 1.0),
            t_two_sided(1.0, 0.0),
            f_above(1.0, 0.0, 1.0),
            correlation_two_sided(0.5, -1.0),
            chi_squared_above(1.0, 0.0),
        ] {
            assert!(bad.is_nan());
        }
    }

    proptest! {
        #[test]
        fn they_agree_with_another_implementation(
            t in -12.0..12.0f64, f in 1e-3..30.0f64, df1 in 1..40u32, df2 in 1..300u32,
        ) {
            let (df1, df2) = (f64::from(df1), f64::from(df2));
            let other = 2.0 * StudentsT::new(0.0, 1.0, df2).expect("positive").sf(t.abs());
            prop_assert!((t_two_sided(t, df2) - other).abs() < 1e-10);
            let other = FisherSnedecor::new(df1, df2).expect("positive").sf(f);
            prop_assert!((f_above(f, df1, df2) - other).abs() < 1e-10);
        }

        #[test]
        fn both_tails_of_beta_are_one(x in 0.0..1.0f64, a in 0.1..500.0f64, b in 0.1..500.0f64) {
            prop_assert!((beta(x, 1.0 - x, a, b) + beta(1.0 - x, x, b, a) - 1.0).abs() < 1e-11);
        }
    }
}

//! Polynomials of the lag: products, the partial autocorrelations of a stationary one, and what
//! follows from them.

/// The coefficients of an autoregression with these partial autocorrelations (Durbin-Levinson):
/// stationary whenever all lie within -1..1.
pub(super) fn from_partial(partial: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut all: Vec<f64> = Vec::new();
    for r in partial {
        let before = all.clone();
        for (a, b) in all.iter_mut().zip(before.iter().rev()) {
            *a -= r * b;
        }
        all.push(r);
    }
    all
}

/// The partial autocorrelations of an autoregression, `None` when it is not stationary.
pub(super) fn to_partial(coefficients: &[f64]) -> Option<Vec<f64>> {
    let mut rest = coefficients.to_vec();
    let mut partial = vec![0.0; rest.len()];
    while let Some(r) = rest.pop() {
        if r.is_nan() || r.abs() >= 1.0 {
            return None;
        }
        partial[rest.len()] = r;
        let before = rest.clone();
        for (a, b) in rest.iter_mut().zip(before.iter().rev()) {
            *a = (*a + r * b) / (1.0 - r * r);
        }
    }
    Some(partial)
}

/// Whether every root of 1 - c1 z - c2 z^2 .. is further from zero than `radius`.
pub(super) fn roots_beyond(coefficients: &[f64], radius: f64) -> bool {
    let mut power = 1.0;
    let scaled: Vec<f64> = coefficients
        .iter()
        .map(|c| {
            power *= radius;
            c * power
        })
        .collect();
    to_partial(&scaled).is_some()
}

/// Of (1 - sum a_i B^i)(1 - sum b_j B^(j season)): the coefficients in the same form.
pub(super) fn product(short: &[f64], long: &[f64], season: usize) -> Vec<f64> {
    let mut all = vec![0.0; short.len() + long.len() * season];
    all[..short.len()].copy_from_slice(short);
    for (j, b) in long.iter().enumerate() {
        let shift = (j + 1) * season;
        all[shift - 1] += b;
        for (i, a) in short.iter().enumerate() {
            all[shift + i] -= a * b;
        }
    }
    all
}

/// The coefficients of (1-B)^d (1-B^season)^seasonal, in the same form.
pub(super) fn differences(d: usize, seasonal: usize, season: usize) -> Vec<f64> {
    let mut all = Vec::new();
    for _ in 0..d {
        all = product(&[1.0], &all, 1);
    }
    for _ in 0..seasonal {
        all = product(&all, &[1.0], season);
    }
    all
}

/// Those coefficients that are not zero, with their lags.
pub(super) fn sparse(coefficients: &[f64]) -> Vec<(usize, f64)> {
    let all = coefficients.iter().enumerate();
    all.filter(|(_, c)| **c != 0.0).map(|(at, c)| (at + 1, *c)).collect()
}

/// The first `count` weights of the past shocks: 1, psi_1, .. of (1 + sum theta B)/(1 - sum phi B).
pub(super) fn psi(ar: &[(usize, f64)], ma: &[(usize, f64)], count: usize) -> Vec<f64> {
    let mut weights = vec![0.0; count];
    for (lag, c) in ma {
        if *lag < count {
            weights[*lag] = *c;
        }
    }
    if count > 0 {
        weights[0] = 1.0;
    }
    for at in 1..count {
        let past = ar.iter().take_while(|(lag, _)| *lag <= at);
        weights[at] += past.map(|(lag, c)| c * weights[at - lag]).sum::<f64>();
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partial_autocorrelations_go_there_and_back() {
        let partial = [0.5, -0.3, 0.9, 0.1];
        let back = to_partial(&from_partial(partial)).expect("stationary");
        assert!(partial.iter().zip(back).all(|(a, b)| (a - b).abs() < 1e-12));
        assert_eq!(to_partial(&[0.7, 0.4]), None);
        assert_eq!(to_partial(&[f64::NAN]), None);
    }

    #[test]
    fn roots_are_told_from_those_inside_a_circle() {
        // 1 - 0.8 z has its root at 1.25; (1 - 0.8z)(1 + 0.5z) at 1.25 and -2.
        assert!(roots_beyond(&[0.8], 1.24) && !roots_beyond(&[0.8], 1.26));
        assert!(roots_beyond(&[0.3, 0.4], 1.24) && !roots_beyond(&[0.3, 0.4], 1.26));
    }

    #[test]
    fn products_are_those_of_the_written_out_polynomials() {
        // (1 - .5B)(1 - .2B^4) = 1 - .5B - .2B^4 + .1B^5
        assert_eq!(product(&[0.5], &[0.2], 4), [0.5, 0.0, 0.0, 0.2, -0.1]);
        assert_eq!(differences(2, 0, 1), [2.0, -1.0]);
        assert_eq!(differences(1, 1, 4), [1.0, 0.0, 0.0, 1.0, -1.0]);
        assert_eq!(sparse(&[0.5, 0.0, 0.2]), [(1, 0.5), (3, 0.2)]);
    }

    #[test]
    fn psi_weights_are_the_response_to_one_shock() {
        let (ar, ma) = ([(1, 0.6), (3, -0.2)], [(2, 0.4)]);
        let weights = psi(&ar, &ma, 30);
        let mut y = [0.0; 30];
        for t in 0..30usize {
            let shock = |t: Option<usize>| f64::from(u8::from(t == Some(0)));
            y[t] = shock(Some(t)) + 0.4 * shock(t.checked_sub(2));
            y[t] += ar.iter().filter(|(l, _)| *l <= t).map(|(l, c)| c * y[t - l]).sum::<f64>();
        }
        assert!(weights.iter().zip(y).all(|(a, b)| (a - b).abs() < 1e-12));
    }
}

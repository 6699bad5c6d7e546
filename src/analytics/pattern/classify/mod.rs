//! Classification: which of some kinds of series each is, from examples.
//!
//! MiniRocket's features and a linear classifier by ridge regression. Series are compared by shape:
//! each is brought to one length by straight lines between its values, over gaps as well, and
//! z-normalised.

mod ridge;
mod rocket;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

pub use ridge::Ridge;
pub use rocket::Rocket;

use super::seasons::without_gaps;
use crate::analytics::{Column, Function, Input, Options, Table, Value};
use crate::error::{Error, Result};
use crate::kernels::Guard;

/// Features that are made of a series, as in the paper.
const FEATURES: usize = 9_996;
/// The fewest and the most values that series are brought to.
const LENGTHS: (usize, usize) = (16, 4_096);
/// Examples at most: the fit takes time with the third power.
const EXAMPLES: usize = 3_000;

/// `classify`: options `labels` (required), `features`, `seed`.
pub(super) const FUNCTION: Function = Function { name: "classify", fields: (1, 1), run };

/// What tells series of some classes apart.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Classifier {
    classes: Vec<String>,
    rocket: Rocket,
    ridge: Ridge,
}

impl Classifier {
    /// Learns from examples and their classes; the seed chooses the examples of the biases.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for fewer than two classes, [`Error::LimitExceeded`] for more
    /// than 3,000 examples, and what the guard says.
    pub fn fit(
        examples: &[&[f64]],
        labels: &[&str],
        features: usize,
        seed: u64,
        guard: &dyn Guard,
    ) -> Result<Self> {
        let mut classes: Vec<String> = labels.iter().map(|label| (*label).to_owned()).collect();
        classes.sort_unstable();
        classes.dedup();
        if classes.len() < 2 || examples.len() != labels.len() {
            return Err(Error::invalid(format!(
                "classify needs examples of at least 2 classes, got {} series and {} labels of {} \
                 classes",
                examples.len(),
                labels.len(),
                classes.len()
            )));
        }
        if examples.len() > EXAMPLES {
            return Err(Error::LimitExceeded(format!(
                "classify learns from at most {EXAMPLES} examples, got {}",
                examples.len()
            )));
        }
        let mut lengths: Vec<usize> = examples.iter().map(|example| example.len()).collect();
        let middle = lengths.len() / 2;
        let length = (*lengths.select_nth_unstable(middle).1).clamp(LENGTHS.0, LENGTHS.1);
        let even: Vec<Vec<f64>> =
            examples.iter().map(|example| prepared(example, length)).collect();
        let rocket = Rocket::fit(&even, features, seed);
        let rows = even.par_iter().map(|series| {
            guard.poll()?;
            Ok(rocket.transform(series))
        });
        let rows = rows.collect::<Result<Vec<_>>>()?;
        let own: Vec<usize> = labels
            .iter()
            .map(|label| classes.partition_point(|class| class.as_str() < *label))
            .collect();
        let ridge = Ridge::fit(&rows, &own, classes.len());
        Ok(Self { classes, rocket, ridge })
    }

    /// The class of a series, and by how much it is ahead of the next: 0 for no difference, 1 for
    /// as much as examples differ, or more.
    pub fn predict(&self, values: &[f64]) -> (&str, f64) {
        let said =
            self.ridge.decide(&self.rocket.transform(&prepared(values, self.rocket.length())));
        let mut order: Vec<usize> = (0..said.len()).collect();
        order.sort_by(|a, b| said[*b].total_cmp(&said[*a]).then(a.cmp(b)));
        let ahead = said[order[0]] - said[order[1]];
        (&self.classes[order[0]], (ahead / 2.0).clamp(0.0, 1.0))
    }
}

/// A series at a length, z-normalised; zeros for one that is flat or mostly missing.
fn prepared(values: &[f64], length: usize) -> Vec<f64> {
    let flat = || vec![0.0; length];
    let Some(whole) = without_gaps(values) else { return flat() };
    let last = whole.len() - 1;
    let at = |place: usize| {
        let exact = place as f64 * last as f64 / (length - 1) as f64;
        let before = (exact as usize).min(last);
        let share = exact - before as f64;
        whole[before] + share * (whole[(before + 1).min(last)] - whole[before])
    };
    let mut even: Vec<f64> = (0..length).map(at).collect();
    let mean = even.iter().sum::<f64>() / length as f64;
    let spread = (even.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / length as f64).sqrt();
    if spread <= 1e-12 * mean.abs() || !spread.is_finite() || spread == 0.0 {
        return flat();
    }
    even.iter_mut().for_each(|value| *value = (*value - mean) / spread);
    even
}

fn run(inputs: &[Input<'_>], options: &mut Options, guard: &dyn Guard) -> Result<Table> {
    let given = labels(options)?;
    let features = options.count("features", 84)?.unwrap_or(FEATURES);
    let seed = options.count("seed", 0)?.unwrap_or(0) as u64;
    options.finish("classify")?;
    if given.len() != inputs.len() && !inputs.is_empty() {
        return Err(Error::invalid(format!(
            "labels has one text or null for each series in turn: {} series, got {} labels",
            inputs.len(),
            given.len()
        )));
    }
    let known: Vec<(&[f64], &str)> = inputs
        .iter()
        .zip(&given)
        .filter_map(|(input, label)| Some((input.values(), label.as_deref()?)))
        .collect();
    let mut table = Table::new([
        ("", Column::Series((0..inputs.len() as u32).collect())),
        ("label", Column::Text(given.clone())),
        ("predicted", Column::Bool(given.iter().take(inputs.len()).map(Option::is_none).collect())),
        ("score", Column::Float(vec![f64::NAN; inputs.len()])),
    ]);
    if inputs.is_empty() {
        table.columns[1].1 = Column::Text(Vec::new());
        return Ok(table);
    }
    let (examples, labels): (Vec<&[f64]>, Vec<&str>) = known.into_iter().unzip();
    let classifier = Classifier::fit(&examples, &labels, features, seed, guard)?;
    let said = inputs.par_iter().zip(&given).map(|(input, label)| {
        guard.poll()?;
        Ok(match label {
            Some(label) => (label.clone(), f64::NAN),
            None => {
                let (class, score) = classifier.predict(input.values());
                (class.to_owned(), score)
            }
        })
    });
    let (texts, scores): (Vec<String>, Vec<f64>) =
        said.collect::<Result<Vec<_>>>()?.into_iter().unzip();
    table.columns[1].1 = Column::Text(texts.into_iter().map(Some).collect());
    table.columns[3].1 = Column::Float(scores);
    Ok(table)
}

/// One text or nothing a series.
fn labels(options: &mut Options) -> Result<Vec<Option<String>>> {
    let wrong = || {
        Error::invalid(
            "classify needs labels, a list with a text for each series whose class is known and \
             null for each that is to be told",
        )
    };
    let Some(Value::List(values)) = options.take("labels") else { return Err(wrong()) };
    let one = |value: Value| match value {
        Value::Text(text) => Ok(Some(text)),
        Value::Null => Ok(None),
        _ => Err(wrong()),
    };
    values.into_iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Unguarded;

    fn noise(at: usize) -> f64 {
        let x = (at as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let x = (x ^ (x >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (x >> 11) as f64 / (1u64 << 53) as f64 - 0.5
    }

    /// A wave, a sawtooth or a square of random phase, length and level, in noise.
    fn series(kind: usize, number: usize) -> Vec<f64> {
        let n = 90 + number % 30;
        let phase = noise(number * 31 + 7) + 0.5;
        (0..n)
            .map(|i| {
                let turn = (i as f64 / 20.0 + phase) % 1.0;
                let shape = match kind {
                    0 => (turn * std::f64::consts::TAU).sin(),
                    1 => 2.0 * turn - 1.0,
                    _ => {
                        if turn < 0.5 {
                            1.0
                        } else {
                            -1.0
                        }
                    }
                };
                shape + 0.6 * noise(number * 1000 + i) + 10.0 * phase
            })
            .collect()
    }

    #[test]
    fn shapes_are_told_apart_in_noise() {
        let names = ["wave", "saw", "square"];
        let train: Vec<Vec<f64>> = (0..60).map(|i| series(i % 3, i)).collect();
        let examples: Vec<&[f64]> = train.iter().map(Vec::as_slice).collect();
        let labels: Vec<&str> = (0..60).map(|i| names[i % 3]).collect();
        let classifier = Classifier::fit(&examples, &labels, 2000, 0, &Unguarded).expect("fits");
        let right = (100..160).filter(|i| classifier.predict(&series(i % 3, *i)).0 == names[i % 3]);
        let right = right.count();
        assert!(right >= 57, "{right} of 60");
        let bytes = postcard::to_stdvec(&classifier).expect("bytes");
        let again: Classifier = postcard::from_bytes(&bytes).expect("a classifier");
        assert_eq!(again.predict(&series(1, 200)), classifier.predict(&series(1, 200)));
    }

    #[test]
    fn gaps_flat_and_short_series_have_a_class_too() {
        let train: Vec<Vec<f64>> = (0..12).map(|i| series(i % 2, i)).collect();
        let examples: Vec<&[f64]> = train.iter().map(Vec::as_slice).collect();
        let labels: Vec<&str> = (0..12).map(|i| ["a", "b"][i % 2]).collect();
        let classifier = Classifier::fit(&examples, &labels, 500, 0, &Unguarded).expect("fits");
        for odd in [vec![], vec![1.0], vec![f64::NAN; 40], vec![2.0; 40], vec![f64::INFINITY; 3]] {
            let (class, score) = classifier.predict(&odd);
            assert!(["a", "b"].contains(&class) && (0.0..=1.0).contains(&score));
        }
        assert!(Classifier::fit(&examples, &["a"; 12], 500, 0, &Unguarded).is_err());
    }
}

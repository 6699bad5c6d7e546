//! Adam over pieces of one sequence, until it helps no more.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;

use super::{Network, State};
use crate::error::Result;
use crate::kernels::Guard;

/// A sequence of inputs and what is to be said of them.
#[derive(Clone, Copy, Debug)]
pub struct Samples<'a> {
    /// Numbers a step.
    pub inputs: usize,
    /// Numbers to say a step.
    pub outputs: usize,
    /// All inputs, step by step.
    pub from: &'a [f64],
    /// All targets, step by step; NaN for none.
    pub targets: &'a [f64],
}

/// How to train.
#[derive(Clone, Copy, Debug)]
pub struct Training {
    /// Cells of the layer.
    pub cells: usize,
    /// The most passes.
    pub epochs: usize,
    /// The steps through which derivatives go back.
    pub piece: usize,
    /// Adam's step.
    pub rate: f64,
    /// Passes without a gain before it ends.
    pub patience: usize,
    /// Of the first weights.
    pub seed: u64,
}

impl Default for Training {
    fn default() -> Self {
        Self { cells: 16, epochs: 40, piece: 32, rate: 0.005, patience: 6, seed: 1 }
    }
}

/// Derivatives longer than this, per target, are shortened.
const LONGEST: f64 = 1.0;

/// Trains on `samples` and, after each pass, tries what follows on `held_out`; the network that did
/// best there, and after how many passes. 0 passes leave a network that says zero. Without anything
/// held out, the network after all passes.
///
/// # Errors
/// When the guard ends the work.
pub fn train(
    samples: &Samples<'_>,
    held_out: Option<&Samples<'_>>,
    training: &Training,
    guard: &dyn Guard,
) -> Result<(Network, usize)> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(training.seed);
    let mut network = Network::new(samples.inputs, training.cells, samples.outputs, &mut random);
    let size = network.weights().len();
    let (mut first, mut second) = (vec![0.0; size], vec![0.0; size]);
    let mut slopes = vec![0.0; size];
    let (mut beta_first, mut beta_second) = (1.0, 1.0);
    let steps = samples.from.len() / samples.inputs.max(1);
    let mut best = (network.clone(), 0, f64::INFINITY);
    if let Some(held_out) = held_out {
        best.2 = trial(&network, samples, held_out, guard)?;
    }
    for epoch in 1..=training.epochs {
        let rate = training.rate * (1.0 - 0.9 * (epoch as f64 - 1.0) / training.epochs as f64);
        let mut state = State::new(training.cells);
        for begin in (0..steps).step_by(training.piece.max(1)) {
            guard.poll()?;
            let end = (begin + training.piece).min(steps);
            slopes.fill(0.0);
            let (_, count) = network.learn(
                &samples.from[begin * samples.inputs..end * samples.inputs],
                &samples.targets[begin * samples.outputs..end * samples.outputs],
                &mut state,
                &mut slopes,
            );
            if count == 0 {
                continue;
            }
            let mean = 1.0 / count as f64;
            let length = mean * slopes.iter().map(|s| s * s).sum::<f64>().sqrt();
            let scale = mean * if length > LONGEST { LONGEST / length } else { 1.0 };
            beta_first *= 0.9;
            beta_second *= 0.999;
            network.update(|at| {
                let slope = slopes[at] * scale;
                first[at] = 0.9 * first[at] + 0.1 * slope;
                second[at] = 0.999 * second[at] + 0.001 * slope * slope;
                let (mean, square) =
                    (first[at] / (1.0 - beta_first), second[at] / (1.0 - beta_second));
                -rate * mean / (square.sqrt() + 1e-8)
            });
        }
        match held_out {
            None => best = (network.clone(), epoch, f64::INFINITY),
            Some(held_out) => {
                let loss = trial(&network, samples, held_out, guard)?;
                if loss < best.2 {
                    best = (network.clone(), epoch, loss);
                } else if epoch >= best.1 + training.patience {
                    break;
                }
            }
        }
    }
    Ok((best.0, best.1))
}

/// The mean loss on what follows the samples.
fn trial(
    network: &Network,
    samples: &Samples<'_>,
    held_out: &Samples<'_>,
    guard: &dyn Guard,
) -> Result<f64> {
    let mut state = State::new(network.cells());
    let mut said = vec![0.0; samples.outputs];
    for (at, from) in samples.from.chunks_exact(samples.inputs.max(1)).enumerate() {
        if at % 1_024 == 0 {
            guard.poll()?;
        }
        network.step(from, &mut state, &mut said);
    }
    let (mut loss, mut count) = (0.0, 0.0f64);
    let inputs = held_out.from.chunks_exact(samples.inputs.max(1));
    for (from, targets) in inputs.zip(held_out.targets.chunks_exact(samples.outputs.max(1))) {
        network.step(from, &mut state, &mut said);
        for (said, target) in said.iter().zip(targets).filter(|(_, target)| !target.is_nan()) {
            loss += (1.0 + (said - target).powi(2)).sqrt() - 1.0;
            count += 1.0;
        }
    }
    Ok(if count > 0.0 { loss / count } else { f64::INFINITY })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Unguarded;

    fn echo(length: usize) -> (Vec<f64>, Vec<f64>) {
        // What came two steps before is to be said: it has to be remembered.
        let value = |t: usize| f64::from(u8::from((t * t * 7 + t / 3) % 5 < 2));
        let from = (0..length).map(value).collect();
        let targets = (0..length).map(|t| if t < 2 { f64::NAN } else { value(t - 2) }).collect();
        (from, targets)
    }

    #[test]
    fn what_was_two_steps_before_is_learnt() {
        let (from, targets) = echo(900);
        let samples =
            Samples { inputs: 1, outputs: 1, from: &from[..700], targets: &targets[..700] };
        let later = Samples { from: &from[700..], targets: &targets[700..], ..samples };
        let training = Training { cells: 8, rate: 0.02, epochs: 60, ..Training::default() };
        let (network, epochs) =
            train(&samples, Some(&later), &training, &Unguarded).expect("trains");
        assert!(epochs > 3, "{epochs}");
        let loss = trial(&network, &samples, &later, &Unguarded).expect("tries");
        assert!(loss < 0.02, "{loss}");
        let again = train(&samples, Some(&later), &training, &Unguarded).expect("trains");
        assert_eq!(again, (network, epochs));
    }

    #[test]
    fn what_cannot_be_learnt_ends_early() {
        let noise = |t: usize| ((t * t) as f64 * 0.731).sin();
        let from: Vec<f64> = (0..300).map(noise).collect();
        let targets: Vec<f64> = (0..300).map(|t| noise(3 * t + 1_001)).collect();
        let samples =
            Samples { inputs: 1, outputs: 1, from: &from[..200], targets: &targets[..200] };
        let later = Samples { from: &from[200..], targets: &targets[200..], ..samples };
        let training = Training { epochs: 500, ..Training::default() };
        let (_, epochs) = train(&samples, Some(&later), &training, &Unguarded).expect("trains");
        assert!(epochs < 100, "{epochs}");
    }
}

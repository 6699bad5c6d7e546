//! The cell, its head, and their derivatives.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::Rng;
use serde::{Deserialize, Serialize};

/// A layer of cells and a linear head.
///
/// The weights lie one behind the other: for each input and then for each cell's last output a row
/// of four gates by all cells (input, forget, candidate, output), a row of their biases, for each
/// cell a row of the head, and the head's biases.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Network {
    inputs: usize,
    cells: usize,
    outputs: usize,
    weights: Vec<f64>,
}

/// What cells remember.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Their last outputs, within -1..1.
    pub output: Vec<f64>,
    /// What they hold.
    pub memory: Vec<f64>,
}

/// What a step leaves for its derivative.
#[derive(Clone, Debug, Default)]
struct Tape {
    /// Inputs and the outputs before.
    from: Vec<f64>,
    gates: Vec<f64>,
    memory_before: Vec<f64>,
    /// The hyperbolic tangent of what is held after the step.
    bent: Vec<f64>,
    output: Vec<f64>,
    /// The slope of the loss by each output of the head.
    slope: Vec<f64>,
}

/// The largest size of a weight that is trained or loaded.
const MOST_WEIGHT: f64 = 1e3;

impl State {
    /// Nothing remembered.
    pub fn new(cells: usize) -> Self {
        Self { output: vec![0.0; cells], memory: vec![0.0; cells] }
    }

    /// Whether a network of so many cells can have left it.
    pub fn is_sound(&self, cells: usize) -> bool {
        let within =
            |of: &[f64], most: f64| of.len() == cells && of.iter().all(|v| v.abs() <= most);
        within(&self.output, 1.0) && within(&self.memory, 1e6)
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

impl Network {
    /// With random weights; its head says zero.
    pub fn new(
        inputs: usize,
        cells: usize,
        outputs: usize,
        random: &mut Xoshiro256PlusPlus,
    ) -> Self {
        let mut weights = vec![0.0; Self::size(inputs, cells, outputs)];
        let reach = 1.0 / (cells as f64).sqrt();
        let recurrent = (inputs + cells) * 4 * cells;
        for weight in &mut weights[..recurrent] {
            let uniform = (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
            *weight = reach * (2.0 * uniform - 1.0);
        }
        // Cells begin by not forgetting (Gers et al.).
        weights[recurrent + cells..recurrent + 2 * cells].fill(1.0);
        Self { inputs, cells, outputs, weights }
    }

    fn size(inputs: usize, cells: usize, outputs: usize) -> usize {
        (inputs + cells + 1) * 4 * cells + (cells + 1) * outputs
    }

    /// Whether it has this shape, and weights that training can have left.
    pub fn is_sound(&self, inputs: usize, cells: usize, outputs: usize) -> bool {
        (self.inputs, self.cells, self.outputs) == (inputs, cells, outputs)
            && self.weights.len() == Self::size(inputs, cells, outputs)
            && self.weights.iter().all(|weight| weight.abs() <= MOST_WEIGHT)
    }

    /// How many numbers a step takes and gives.
    pub fn shape(&self) -> (usize, usize) {
        (self.inputs, self.outputs)
    }

    /// How many cells there are.
    pub fn cells(&self) -> usize {
        self.cells
    }

    pub(super) fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// Moves each weight, which stays within its bounds.
    pub(super) fn update(&mut self, mut step: impl FnMut(usize) -> f64) {
        for (at, weight) in self.weights.iter_mut().enumerate() {
            *weight = (*weight + step(at)).clamp(-MOST_WEIGHT, MOST_WEIGHT);
        }
    }

    /// Takes the next inputs; the head's outputs into `to`.
    pub fn step(&self, from: &[f64], state: &mut State, to: &mut [f64]) {
        let mut tape = Tape::default();
        self.forward(from, state, &mut tape);
        self.head(&state.output, to);
        // A memory of any size says the same beyond this.
        state.memory.iter_mut().for_each(|held| *held = held.clamp(-1e6, 1e6));
    }

    fn forward(&self, from: &[f64], state: &mut State, tape: &mut Tape) {
        let (cells, width) = (self.cells, 4 * self.cells);
        let rows = self.inputs + cells;
        tape.from.clear();
        tape.from.extend_from_slice(from);
        tape.from.extend_from_slice(&state.output);
        tape.gates.clear();
        tape.gates.extend_from_slice(&self.weights[rows * width..(rows + 1) * width]);
        for (value, row) in tape.from.iter().zip(self.weights.chunks_exact(width)) {
            for (gate, weight) in tape.gates.iter_mut().zip(row) {
                *gate += value * weight;
            }
        }
        tape.memory_before.clone_from(&state.memory);
        for (at, gate) in tape.gates.iter_mut().enumerate() {
            *gate = if at / cells == 2 { gate.tanh() } else { sigmoid(*gate) };
        }
        tape.bent.clear();
        for cell in 0..cells {
            let (put, keep) = (tape.gates[cell], tape.gates[cells + cell]);
            let held = keep * state.memory[cell] + put * tape.gates[2 * cells + cell];
            state.memory[cell] = held;
            tape.bent.push(held.tanh());
            state.output[cell] = tape.gates[3 * cells + cell] * tape.bent[cell];
        }
    }

    fn head(&self, output: &[f64], to: &mut [f64]) {
        let head = &self.weights[(self.inputs + self.cells + 1) * 4 * self.cells..];
        to.copy_from_slice(&head[self.cells * self.outputs..]);
        for (value, row) in output.iter().zip(head.chunks_exact(self.outputs.max(1))) {
            for (to, weight) in to.iter_mut().zip(row) {
                *to += value * weight;
            }
        }
    }

    /// The sum of the losses of steps one after the other, sqrt(1 + e^2) - 1 for each error e, and
    /// how many there were; targets that are NaN count nothing. Adds the derivatives of that sum by
    /// the weights to `slopes`; the steps before are taken as given.
    pub(super) fn learn(
        &self,
        from: &[f64],
        targets: &[f64],
        state: &mut State,
        slopes: &mut [f64],
    ) -> (f64, usize) {
        let steps = from.len() / self.inputs.max(1);
        let mut tapes = vec![Tape::default(); steps];
        let (mut loss, mut count) = (0.0, 0);
        let mut said = vec![0.0; self.outputs];
        for (at, tape) in tapes.iter_mut().enumerate() {
            self.forward(&from[at * self.inputs..(at + 1) * self.inputs], state, tape);
            tape.output.clone_from(&state.output);
            self.head(&state.output, &mut said);
            let targets = &targets[at * self.outputs..(at + 1) * self.outputs];
            tape.slope = said
                .iter()
                .zip(targets)
                .map(|(said, target)| {
                    if target.is_nan() {
                        return 0.0;
                    }
                    let error = said - target;
                    let root = (1.0 + error * error).sqrt();
                    loss += root - 1.0;
                    count += 1;
                    error / root
                })
                .collect();
        }
        self.backward(&tapes, slopes);
        (loss, count)
    }

    fn backward(&self, tapes: &[Tape], slopes: &mut [f64]) {
        let (cells, width) = (self.cells, 4 * self.cells);
        let rows = self.inputs + cells;
        let start = (rows + 1) * width;
        let (by_output, by_bias) = (start, start + cells * self.outputs);
        let mut down = vec![0.0; cells];
        let mut down_memory = vec![0.0; cells];
        let mut by_gate = vec![0.0; width];
        for tape in tapes.iter().rev() {
            for (cell, down) in down.iter_mut().enumerate() {
                let row = by_output + cell * self.outputs;
                let weights = &self.weights[row..row + self.outputs];
                *down += weights.iter().zip(&tape.slope).map(|(w, s)| w * s).sum::<f64>();
                let output = tape.output[cell];
                for (slope, s) in slopes[row..row + self.outputs].iter_mut().zip(&tape.slope) {
                    *slope += output * s;
                }
            }
            for (slope, s) in slopes[by_bias..].iter_mut().zip(&tape.slope) {
                *slope += s;
            }
            for cell in 0..cells {
                let (put, keep) = (tape.gates[cell], tape.gates[cells + cell]);
                let (new, show) = (tape.gates[2 * cells + cell], tape.gates[3 * cells + cell]);
                let bent = tape.bent[cell];
                let held = down_memory[cell] + down[cell] * show * (1.0 - bent * bent);
                by_gate[cell] = held * new * put * (1.0 - put);
                by_gate[cells + cell] = held * tape.memory_before[cell] * keep * (1.0 - keep);
                by_gate[2 * cells + cell] = held * put * (1.0 - new * new);
                by_gate[3 * cells + cell] = down[cell] * bent * show * (1.0 - show);
                down_memory[cell] = held * keep;
            }
            for (row, value) in tape.from.iter().enumerate() {
                let slopes = &mut slopes[row * width..(row + 1) * width];
                for (slope, gate) in slopes.iter_mut().zip(&by_gate) {
                    *slope += value * gate;
                }
            }
            for (slope, gate) in slopes[rows * width..start].iter_mut().zip(&by_gate) {
                *slope += gate;
            }
            for (cell, down) in down.iter_mut().enumerate() {
                let row = (self.inputs + cell) * width;
                let weights = &self.weights[row..row + width];
                *down = crate::analytics::numeric::levenberg::dot(weights, &by_gate);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rand_xoshiro::rand_core::SeedableRng;

    use super::*;

    fn network() -> Network {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(5);
        let mut network = Network::new(2, 3, 2, &mut random);
        let mut at = 0.0f64;
        network.update(|_| {
            at += 1.0;
            0.3 * (at * 1.7).sin()
        });
        network
    }

    #[test]
    fn derivatives_are_those_of_finite_differences() {
        let mut network = network();
        let from: Vec<f64> = (0..14).map(|t| (f64::from(t) * 0.8).cos()).collect();
        let mut targets: Vec<f64> = (0..14).map(|t| (f64::from(t) * 0.5).sin() * 2.0).collect();
        targets[3] = f64::NAN;
        let begin = State { output: vec![0.1, -0.2, 0.3], memory: vec![0.5, 0.0, -0.4] };
        let mut slopes = vec![0.0; network.weights.len()];
        let (_, count) = network.learn(&from, &targets, &mut begin.clone(), &mut slopes);
        assert_eq!(count, 13);
        let mut unused = vec![0.0; slopes.len()];
        for (at, own) in slopes.iter().enumerate() {
            let mut loss = |by: f64| {
                network.weights[at] += by;
                let (loss, _) = network.learn(&from, &targets, &mut begin.clone(), &mut unused);
                network.weights[at] -= by;
                loss
            };
            let slope = (loss(1e-5) - loss(-1e-5)) / 2e-5;
            assert!((slope - own).abs() < 1e-7, "{at}: {slope} is not {own}");
        }
    }

    #[test]
    fn a_step_is_the_cell_written_out() {
        let network = network();
        let mut state = State { output: vec![0.1, -0.2, 0.3], memory: vec![0.5, 0.0, -0.4] };
        let (before, from) = (state.clone(), [0.7, -0.1]);
        let mut said = [0.0; 2];
        network.step(&from, &mut state, &mut said);
        let gate = |kind: usize, cell: usize| {
            let column = kind * 3 + cell;
            let all = from.iter().chain(&before.output).enumerate();
            all.map(|(row, v)| v * network.weights[row * 12 + column]).sum::<f64>()
                + network.weights[5 * 12 + column]
        };
        for cell in 0..3 {
            let held = sigmoid(gate(1, cell)) * before.memory[cell]
                + sigmoid(gate(0, cell)) * gate(2, cell).tanh();
            assert!((state.memory[cell] - held).abs() < 1e-12);
            assert!((state.output[cell] - sigmoid(gate(3, cell)) * held.tanh()).abs() < 1e-12);
        }
        for (out, said) in said.iter().enumerate() {
            let head: f64 =
                (0..3).map(|c| state.output[c] * network.weights[72 + c * 2 + out]).sum();
            assert!((said - head - network.weights[78 + out]).abs() < 1e-12);
        }
    }

    #[test]
    fn a_new_network_says_zero_and_is_sound() {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(1);
        let network = Network::new(4, 5, 3, &mut random);
        assert!(network.is_sound(4, 5, 3) && !network.is_sound(4, 5, 2));
        let (mut state, mut said) = (State::new(5), [1.0; 3]);
        network.step(&[1.0, 2.0, -3.0, 0.5], &mut state, &mut said);
        assert_eq!(said, [0.0; 3]);
        assert!(state.is_sound(5) && !state.is_sound(4));
    }
}

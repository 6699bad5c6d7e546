//! What `iqr` and `mad` share: statistics of the sorted last points.

use std::marker::PhantomData;

use serde::{Deserialize, Serialize};

use super::settings::{Trailing, learnable};
use super::state::{self, Payload, unsound};
use super::{Detector, Scored};
use crate::analytics::Options;
use crate::analytics::numeric::rolling::{Ring, SortedWindow};
use crate::error::Result;

/// How a value stands to sorted ones.
pub(super) trait Statistic: Send + Sync + 'static {
    /// The name of its method.
    const NAME: &'static str;

    /// Scores a value against at least one other.
    fn score(sorted: &SortedWindow, value: f64) -> Scored;
}

/// A detector by a statistic of the last points.
#[derive(Clone, Debug)]
pub(super) struct Level<S> {
    trailing: Trailing,
    sorted: SortedWindow,
    /// Whether the window holds the whole, and learns no more.
    whole: bool,
    statistic: PhantomData<S>,
}

#[derive(Serialize, Deserialize)]
struct State {
    trailing: Trailing,
    ring: Ring,
    whole: bool,
}

impl<S: Statistic> Level<S> {
    pub(super) fn build(options: &mut Options) -> Result<Box<dyn Detector>> {
        let trailing = Trailing::take(options, 256, 16)?;
        let sorted = SortedWindow::new(trailing.window);
        Ok(Box::new(Self { trailing, sorted, whole: false, statistic: PhantomData }))
    }

    pub(super) fn load(payload: &Payload<'_>) -> Result<Box<dyn Detector>> {
        let State { trailing, ring, whole } = payload.decode()?;
        let window = if whole { ring.len().max(1) } else { trailing.window };
        if !trailing.is_sound() || !ring.is_sound(window) {
            return Err(unsound("its window"));
        }
        let sorted = SortedWindow::of(ring);
        Ok(Box::new(Self { trailing, sorted, whole, statistic: PhantomData }))
    }
}

impl<S: Statistic> Detector for Level<S> {
    fn name(&self) -> &'static str {
        S::NAME
    }

    fn study(&mut self, _: &[i64], values: &[f64]) -> Result<()> {
        let mut ring = Ring::new(values.len());
        for value in values {
            ring.push(learnable(*value).unwrap_or(f64::NAN));
        }
        (self.sorted, self.whole) = (SortedWindow::of(ring), true);
        Ok(())
    }

    fn update(&mut self, _: i64, value: f64) -> Scored {
        let least = if self.whole { 2 } else { self.trailing.min_points };
        let scored = match self.sorted.sorted().len() >= least {
            true => S::score(&self.sorted, value),
            false => Scored::NONE,
        };
        if !self.whole {
            self.sorted.push(learnable(value).unwrap_or(f64::NAN));
        }
        scored
    }

    fn save(&self) -> Vec<u8> {
        let (trailing, ring) = (self.trailing, self.sorted.ring().clone());
        state::save(S::NAME, &State { trailing, ring, whole: self.whole })
    }
}

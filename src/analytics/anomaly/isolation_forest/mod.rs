//! Isolation forests: rows that random splits set apart after few steps are unusual.
//!
//! Liu, Ting and Zhou, "Isolation Forest" (ICDM 2008). The forest over rows of several fields is
//! [`IsolationForest`], also a function of its own; `isolation_forest` as a detector is that forest
//! over what a point of a series looks like.

mod detector;
mod features;
mod forest;
mod function;
mod tree;

pub(super) use detector::METHOD;
pub use forest::IsolationForest;
pub(super) use function::FUNCTION;

use serde::{Deserialize, Serialize};

use crate::analytics::Options;
use crate::error::{Error, Result};

/// How a forest is grown.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Growth {
    /// Trees: more of them make scores steadier.
    pub trees: usize,
    /// Rows that each tree is grown from, drawn without putting back.
    pub samples: usize,
    /// Where randomness begins.
    pub seed: u64,
}

impl Default for Growth {
    fn default() -> Self {
        Self { trees: 100, samples: 256, seed: 0 }
    }
}

impl Growth {
    const MOST_TREES: usize = 10_000;
    const MOST_SAMPLES: usize = 4096;

    /// `trees` (100), `samples` (256) and `seed` (0).
    fn take(options: &mut Options) -> Result<Self> {
        let usual = Self::default();
        let growth = Self {
            trees: options.count("trees", 1)?.unwrap_or(usual.trees),
            samples: options.count("samples", 2)?.unwrap_or(usual.samples),
            seed: options.count("seed", 0)?.unwrap_or(0) as u64,
        };
        if growth.trees > Self::MOST_TREES {
            let most = Self::MOST_TREES;
            return Err(Error::invalid(format!("trees are at most {most}, got {}", growth.trees)));
        }
        if growth.samples > Self::MOST_SAMPLES {
            return Err(Error::invalid(format!(
                "samples are at most {}, got {}",
                Self::MOST_SAMPLES,
                growth.samples
            )));
        }
        Ok(growth)
    }

    fn is_sound(&self) -> bool {
        (1..=Self::MOST_TREES).contains(&self.trees)
            && (2..=Self::MOST_SAMPLES).contains(&self.samples)
    }
}

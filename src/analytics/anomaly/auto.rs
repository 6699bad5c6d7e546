//! `auto`: the ensemble of `seasonal`, `drift` and `nearest` with one alert for one anomaly.
//!
//! `seasonal` finds points far from their time of day or week, `drift` what is little but lasting,
//! `nearest` shapes that never were; the mean of their rarities decides, and `onset` is true. The
//! options are those of `ensemble`. The configuration is one for all data.

use super::{Method, ensemble};

/// `auto` by its name.
pub(super) const METHOD: Method = Method {
    name: "auto",
    build: |options| Ok(Box::new(ensemble::take(METHOD.name, options, true)?)),
    load: |payload| Ok(Box::new(ensemble::load(METHOD.name, payload)?)),
};

//! The methods by name: each detector's file has one [`Method`], and this is their list.

use super::state::Payload;
use super::{
    Detector, auto, drift, ensemble, ewma, forecast, iqr, isolation_forest, lstm, mad,
    matrix_profile, nearest, seasonal, zscore,
};
use crate::analytics::Options;
use crate::error::{Error, Result};

/// How a detector comes to be.
#[derive(Clone, Copy, Debug)]
pub struct Method {
    /// Its name, in options and in saved states.
    pub name: &'static str,
    /// Takes its options; they are checked, what it does not know is left.
    pub build: fn(&mut Options) -> Result<Box<dyn Detector>>,
    /// Reads what its detector saved; checks everything.
    pub load: fn(&Payload<'_>) -> Result<Box<dyn Detector>>,
}

/// Every method of a single series; across series there is `peers` too.
const METHODS: &[Method] = &[
    // One line a detector, by their names.
    auto::METHOD,
    drift::METHOD,
    ensemble::METHOD,
    ewma::METHOD,
    forecast::METHOD,
    iqr::METHOD,
    isolation_forest::METHOD,
    lstm::METHOD,
    mad::METHOD,
    matrix_profile::METHOD,
    nearest::METHOD,
    seasonal::METHOD,
    seasonal::SPIKE,
    zscore::METHOD,
];

/// Every method of a single series.
pub fn methods() -> &'static [Method] {
    METHODS
}

pub(super) fn method(name: &str) -> Option<&'static Method> {
    METHODS.iter().find(|method| method.name == name)
}

/// A new detector by the name of its method, with those options that it knows; what is left is for
/// the caller to refuse.
///
/// # Errors
/// [`Error::NotFound`] with the nearest names, and [`Error::InvalidArgument`] for a bad option.
pub fn build(name: &str, options: &mut Options) -> Result<Box<dyn Detector>> {
    if name == "peers" {
        return Err(Error::invalid(
            "method \"peers\" compares several series at one time; a detector of one series is of \
             another method, such as \"mad\"",
        ));
    }
    match method(name) {
        Some(method) => (method.build)(options),
        None => Err(Error::unknown("method", name, METHODS.iter().map(|method| method.name))),
    }
}

//! A detector that points come to one by one.

use arrow_array::RecordBatch;
use parking_lot::Mutex;

use super::options;
use super::result::{Keys, batch};
use crate::analytics::anomaly::{self, Detector, Scored, state};
use crate::error::{Error, Result};
use crate::kernels::Guard;
use crate::query::Setting;

/// A detector of one series, shared by threads: each call sees the points of those before it.
#[derive(Debug)]
pub struct LiveDetector(Mutex<Box<dyn Detector>>);

impl LiveDetector {
    /// A new one of a method.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown method, [`Error::InvalidArgument`] for options that it
    /// does not take.
    pub fn new(method: &str, settings: &[(String, Setting)]) -> Result<Self> {
        let of = format!("a detector of the method {method:?}");
        let mut options = options(&of, settings)?;
        let detector = anomaly::build(method, &mut options)?;
        options.finish(&of)?;
        Ok(Self(Mutex::new(detector)))
    }

    /// One from bytes that [`Self::save`] gave, in this process or another.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for other bytes, [`Error::InvalidArgument`] for those of a later version.
    pub fn load(bytes: &[u8]) -> Result<Self> {
        Ok(Self(Mutex::new(state::load(bytes)?)))
    }

    /// Its method.
    pub fn method(&self) -> &'static str {
        self.0.lock().name()
    }

    /// Its state as bytes, versioned and with a checksum.
    pub fn save(&self) -> Vec<u8> {
        self.0.lock().save()
    }

    /// Learns from points without scoring them. Times are ns and ascend; a missing value is NaN.
    ///
    /// # Errors
    /// When these points cannot be learnt from.
    pub fn fit(&self, times: &[i64], values: &[f64]) -> Result<()> {
        ascending(times)?;
        self.0.lock().fit(times, values)
    }

    /// Scores the next point, and learns from it.
    pub fn update(&self, time: i64, value: f64) -> Scored {
        self.0.lock().update(time, value)
    }

    /// Scores the next points, and learns from them: the columns of `detect`. All of them or, when
    /// it was stopped, none has come to it.
    ///
    /// # Errors
    /// For times that descend, and as the guard decides.
    pub fn detect(
        &self,
        times: &[i64],
        values: &[f64],
        threshold: f64,
        guard: &dyn Guard,
    ) -> Result<RecordBatch> {
        ascending(times)?;
        let mut detector = self.0.lock();
        let mut own = state::load(&detector.save())?;
        let table = anomaly::score_points(&mut *own, times, values, threshold, guard)?;
        *detector = own;
        batch(table, &Keys::Nothing)
    }
}

fn ascending(times: &[i64]) -> Result<()> {
    if times.windows(2).any(|pair| pair[1] < pair[0]) {
        return Err(Error::invalid("times must ascend; sort the rows by time first"));
    }
    Ok(())
}

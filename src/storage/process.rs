//! Which process something belongs to: a fork copies handles, but not the threads and the rights
//! behind them.

use crate::error::{Error, Result};

/// The process that opened something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Home(u32);

impl Home {
    /// This process.
    pub fn here() -> Self {
        Self(std::process::id())
    }

    /// Whether this is the process that opened it, not one that a fork copied it into.
    pub fn is_here(self) -> bool {
        self == Self::here()
    }

    /// Refuses a handle of `location` that a fork copied into this process.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] naming both processes and what works.
    pub fn check(self, location: &str) -> Result<()> {
        let here = Self::here();
        if self == here {
            return Ok(());
        }
        Err(Error::invalid(format!(
            "this handle of {location:?} was opened in process {} and is used in process {}, which \
             was forked from it; open the database again in this process, with mode=\"r\" to read \
             beside the process that writes",
            self.0, here.0
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_process_is_named_with_what_works() {
        assert!(Home::here().check("x.ky").is_ok());
        let error = Home(u32::MAX).check("x.ky").expect_err("no process has this number");
        let own = std::process::id().to_string();
        for part in ["x.ky", "4294967295", own.as_str(), "mode=\"r\"", "open the database again"] {
            assert!(error.to_string().contains(part), "{part:?} in {error}");
        }
    }
}

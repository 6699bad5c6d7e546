//! The one error type of the core: what kind, what was wrong, what was given and what would work.

use std::fmt;

/// A result whose error is the core's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Every way in which a call into the core can fail.
///
/// The Python package mirrors this tree one to one under `KymographError`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An argument cannot be used; the message names it, its value and what would work.
    #[error("{0}")]
    InvalidArgument(String),
    /// A table, field, tag, version or file that does not exist; the message lists near names.
    #[error("{0}")]
    NotFound(String),
    /// Bytes that fail their checksum or break their format.
    #[error("{0}")]
    Corrupt(String),
    /// Another writer committed first, or an existing object has another shape.
    #[error("{0}")]
    Conflict(String),
    /// A budget (memory, time, size) would be exceeded.
    #[error("{0}")]
    LimitExceeded(String),
    /// The caller cancelled the call, or its deadline passed.
    #[error("{0}")]
    Cancelled(String),
    /// Another process holds the database's writer lock.
    #[error("{0}")]
    DatabaseLocked(String),
    /// The file system or the object store failed.
    #[error("{context}: {source}")]
    Storage {
        /// What was being done, and to which file.
        context: String,
        /// The failure as the store reported it.
        #[source]
        source: std::io::Error,
    },
    /// A broken invariant of kymograph itself.
    #[error("internal error: {0}; please report it")]
    Internal(String),
}

impl Error {
    /// An [`Error::InvalidArgument`].
    pub fn invalid(message: impl fmt::Display) -> Self {
        Self::InvalidArgument(message.to_string())
    }

    /// An [`Error::Corrupt`].
    pub fn corrupt(message: impl fmt::Display) -> Self {
        Self::Corrupt(message.to_string())
    }

    /// An [`Error::Storage`] with what was being done.
    pub fn storage(context: impl fmt::Display, source: std::io::Error) -> Self {
        Self::Storage { context: context.to_string(), source }
    }

    /// An [`Error::NotFound`] that lists the known names nearest to the one given.
    pub fn unknown<'a>(what: &str, given: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        Self::NotFound(format!("unknown {what} {given:?}; {}", nearest(given, known)))
    }

    /// Whether a disk, or a quota on it, had no room.
    pub fn is_full(&self) -> bool {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        matches!(self, Self::Storage { source, .. }
            if matches!(source.kind(), StorageFull | QuotaExceeded))
    }

    /// The same error with what was being done put in front of its message.
    #[must_use]
    pub fn within(self, doing: impl fmt::Display) -> Self {
        match self {
            Self::InvalidArgument(m) => Self::InvalidArgument(format!("{doing}: {m}")),
            Self::NotFound(m) => Self::NotFound(format!("{doing}: {m}")),
            Self::Corrupt(m) => Self::Corrupt(format!("{doing}: {m}")),
            Self::Conflict(m) => Self::Conflict(format!("{doing}: {m}")),
            Self::LimitExceeded(m) => Self::LimitExceeded(format!("{doing}: {m}")),
            Self::Cancelled(m) => Self::Cancelled(format!("{doing}: {m}")),
            Self::DatabaseLocked(m) => Self::DatabaseLocked(format!("{doing}: {m}")),
            Self::Storage { context, source } => {
                Self::Storage { context: format!("{doing}: {context}"), source }
            }
            Self::Internal(m) => Self::Internal(format!("{doing}: {m}")),
        }
    }
}

/// "the nearest are a, b" or "there are none" for an error about an unknown name.
pub fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let wanted = given.to_lowercase();
    let mut scored: Vec<(f64, &str)> = known
        .into_iter()
        .map(|name| (strsim::jaro_winkler(&wanted, &name.to_lowercase()), name))
        .collect();
    if scored.is_empty() {
        return "there are none".to_owned();
    }
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    let names: Vec<String> = scored.iter().take(5).map(|(_, name)| format!("{name:?}")).collect();
    format!("the nearest are {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_names_list_the_nearest_first() {
        let error = Error::unknown("field", "usge", ["io", "usage", "steal"]);
        assert_eq!(
            error.to_string(),
            "unknown field \"usge\"; the nearest are \"usage\", \"steal\", \"io\""
        );
        assert!(Error::unknown("table", "x", []).to_string().ends_with("there are none"));
    }
}

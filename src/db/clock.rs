//! What time it is: by the wall clock, or, in tests, as they say.

use std::fmt;
use std::sync::Arc;

use crate::model::Timestamp;

/// Where a database has the time from.
#[derive(Clone, Default)]
pub struct Clock(Option<Arc<dyn Fn() -> Timestamp + Send + Sync>>);

impl Clock {
    /// A clock that asks `now` for the nanoseconds since 1970, UTC.
    pub fn of(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(now)))
    }

    /// Nanoseconds since 1970, UTC.
    pub fn now(&self) -> Timestamp {
        self.0.as_ref().map_or_else(wall, |now| now())
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Clock(given)" } else { "Clock(wall)" })
    }
}

fn wall() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |d| i64::try_from(d.as_nanos()).unwrap_or(i64::MAX))
}

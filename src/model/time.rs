//! Times: int64 nanoseconds since the Unix epoch, UTC; ranges are half-open.

/// Nanoseconds since 1970-01-01T00:00:00 UTC.
pub type Timestamp = i64;

/// The half-open range of times `[start, end)`; an `end` of `None` is unbounded, so that
/// `i64::MAX` itself can be stored and read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeRange {
    /// The first time inside.
    pub start: Timestamp,
    /// The first time past the range.
    pub end: Option<Timestamp>,
}

impl TimeRange {
    /// Every time there is.
    pub const ALL: Self = Self { start: i64::MIN, end: None };

    /// `[start, end)` with open ends where `None`.
    pub fn new(start: Option<Timestamp>, end: Option<Timestamp>) -> Self {
        Self { start: start.unwrap_or(i64::MIN), end }
    }

    /// Whether no time lies inside.
    pub fn is_empty(&self) -> bool {
        self.end.is_some_and(|end| end <= self.start)
    }

    /// Whether `t` lies inside.
    pub fn contains(&self, t: Timestamp) -> bool {
        t >= self.start && self.end.is_none_or(|end| t < end)
    }

    /// Whether any time of the inclusive span `first..=last` lies inside.
    pub fn overlaps(&self, first: Timestamp, last: Timestamp) -> bool {
        !self.is_empty() && last >= self.start && self.end.is_none_or(|end| first < end)
    }

    /// Whether the whole inclusive span `first..=last` lies inside.
    pub fn covers(&self, first: Timestamp, last: Timestamp) -> bool {
        self.contains(first) && self.contains(last)
    }

    /// The times inside both.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Self {
        let end = match (self.end, other.end) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        Self { start: self.start.max(other.start), end }
    }

    /// The rows of the ascending `times` that lie inside.
    pub fn rows(&self, times: &[Timestamp]) -> std::ops::Range<usize> {
        let from = times.partition_point(|&t| t < self.start);
        let to = match self.end {
            Some(end) => times.partition_point(|&t| t < end).max(from),
            None => times.len(),
        };
        from..to
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_instant_can_be_inside() {
        assert!(TimeRange::ALL.contains(i64::MAX));
        assert!(!TimeRange::new(None, Some(i64::MAX)).contains(i64::MAX));
    }

    #[test]
    fn rows_are_half_open() {
        let times = [1, 2, 2, 3, 9];
        assert_eq!(TimeRange::new(Some(2), Some(3)).rows(&times), 1..3);
        assert_eq!(TimeRange::new(Some(4), Some(4)).rows(&times), 4..4);
        assert_eq!(TimeRange::ALL.rows(&times), 0..5);
    }
}

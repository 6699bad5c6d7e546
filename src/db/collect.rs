//! Removing what no version that is read needs.

use crate::error::Result;

/// What a writer removes from.
pub(super) trait Remains {
    /// What names a segment.
    type Segment;

    /// The oldest version that anyone may still read.
    ///
    /// # Errors
    /// When that cannot be told; nothing is removed then.
    fn oldest_needed(&self) -> Result<u64>;

    /// Removes every manifest before `version`.
    ///
    /// # Errors
    /// When the store fails; some may be gone then.
    fn remove_manifests(&self, version: u64) -> Result<()>;

    /// Removes a segment; whether it is gone.
    fn remove_segment(&self, segment: &Self::Segment) -> bool;
}

/// Removes manifests that nobody needs, and of the `dead` segments (each with the version that
/// dropped it) those that only such manifests list. Returns the segments that are gone.
///
/// A failure is no failure of the commit before it: what stays is tried again after the next
/// commit, and at the next open.
pub(super) fn collect<R: Remains>(
    remains: &R,
    dead: &mut Vec<(R::Segment, u64)>,
) -> Vec<R::Segment> {
    let Ok(oldest) = remains.oldest_needed() else { return Vec::new() };
    if remains.remove_manifests(oldest).is_err() {
        return Vec::new();
    }
    // Again: a reader that found its manifest before it was removed has its lease by now.
    let Ok(again) = remains.oldest_needed() else { return Vec::new() };
    let oldest = oldest.min(again);
    let gone =
        dead.extract_if(.., |(segment, died)| *died <= oldest && remains.remove_segment(segment));
    gone.map(|(segment, _)| segment).collect()
}

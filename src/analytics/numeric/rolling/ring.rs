//! The last so many values, in places that are used again.

use serde::{Deserialize, Serialize};

/// The last `window` values; takes memory as they come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ring {
    window: usize,
    /// Until the window is full in the order of their coming; then the oldest stands at `next`.
    values: Vec<f64>,
    /// Where the next value goes.
    next: usize,
}

impl Ring {
    /// An empty one of at least one value.
    pub fn new(window: usize) -> Self {
        Self { window: window.max(1), values: Vec::new(), next: 0 }
    }

    /// Puts a value in; the place where it stands, and the value that had to leave it.
    pub fn push(&mut self, value: f64) -> (usize, Option<f64>) {
        let place = self.next;
        self.next = if place + 1 == self.window { 0 } else { place + 1 };
        match self.values.get_mut(place) {
            Some(old) => (place, Some(std::mem::replace(old, value))),
            None => {
                self.values.push(value);
                (place, None)
            }
        }
    }

    /// How many values it holds at most.
    pub fn window(&self) -> usize {
        self.window
    }

    /// The values by their places.
    pub fn places(&self) -> &[f64] {
        &self.values
    }

    /// The values, the oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = f64> + '_ {
        let oldest = if self.values.len() == self.window { self.next } else { 0 };
        let (newer, older) = self.values.split_at(oldest);
        older.iter().chain(newer).copied()
    }

    /// How many values it holds.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Whether pushing could have led to it, with this window: what a loaded one is asked.
    pub fn is_sound(&self, window: usize) -> bool {
        let (len, full) = (self.values.len(), self.values.len() == self.window);
        self.window == window
            && window > 0
            && len <= window
            && if full { self.next < window } else { self.next == len }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_the_last_values_in_their_order() {
        let mut ring = Ring::new(3);
        let mut left = Vec::new();
        for value in 0..7 {
            left.extend(ring.push(f64::from(value)).1);
            assert!(ring.is_sound(3));
        }
        assert_eq!(left, [0.0, 1.0, 2.0, 3.0]);
        assert_eq!(ring.iter().collect::<Vec<_>>(), [4.0, 5.0, 6.0]);
        assert_eq!((ring.places(), ring.len()), (&[6.0, 4.0, 5.0][..], 3));
        assert!(!ring.is_sound(4));
        assert!(!Ring { window: 3, values: vec![0.0], next: 2 }.is_sound(3));
        assert!(!Ring { window: 1, values: vec![0.0; 2], next: 0 }.is_sound(1));
    }
}

//! Values in the order of time, series by series: increases, rates, and means weighted by time.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::chunk::Stats;
use crate::kernels::aggregate::buckets::Windows;
use crate::kernels::function::Function;
use crate::kernels::partial::Partial;
use crate::model::Timestamp;

/// The points of one series in one bucket, which follow each other in time.
#[derive(Clone, Copy, Debug)]
struct Run {
    first: (Timestamp, f64),
    last: (Timestamp, f64),
    count: u64,
    sum: f64,
    /// What a counter went up by.
    increase: f64,
    /// Value times nanoseconds, by steps and by straight lines.
    steps: f64,
    lines: f64,
    nan: bool,
}

impl Run {
    fn of(time: Timestamp, value: f64) -> Self {
        Self {
            first: (time, value),
            last: (time, value),
            count: 1,
            sum: value,
            increase: 0.0,
            steps: 0.0,
            lines: 0.0,
            nan: value.is_nan(),
        }
    }

    /// What is known of points that are gone; of values between them nothing.
    fn of_partial(partial: &Partial) -> Option<Self> {
        let (first, last, count, sum, nan) = match &partial.stats {
            Stats::F64(s) => {
                let (first, last) = (s.ends.first, s.ends.last);
                let ends = ((s.ends.first_time, first), (s.ends.last_time, last));
                (ends.0, ends.1, s.count, s.sum, s.nans > 0)
            }
            Stats::I64(s) => {
                let first = (s.ends.first_time, s.ends.first as f64);
                (first, (s.ends.last_time, s.ends.last as f64), s.count, s.sum as f64, false)
            }
            Stats::Bool(_) | Stats::Str(_) => return None,
        };
        let increase = partial.increase;
        Some(Self { first, last, count, sum, increase, steps: 0.0, lines: 0.0, nan })
    }

    /// Takes in the points that follow.
    fn join(&mut self, next: &Self) {
        let (before, after) = (self.last.1, next.first.1);
        // A counter that is lower than it was has started again from 0.
        let step = if after < before { after } else { after - before };
        self.increase += step + next.increase;
        let duration = next.first.0.abs_diff(self.last.0);
        if duration > 0 {
            self.steps += before * duration as f64;
            self.lines += (before * 0.5 + after * 0.5) * duration as f64;
        }
        self.steps += next.steps;
        self.lines += next.lines;
        self.sum += next.sum;
        self.count += next.count;
        self.nan |= next.nan;
        // Points that came behind a partial aggregate may lie among its own.
        if next.last.0 >= self.last.0 {
            self.last = next.last;
        }
        if next.first.0 < self.first.0 {
            self.first = next.first;
        }
    }
}

/// What the runs of several series come to.
#[derive(Clone, Copy, Debug, Default)]
struct Total {
    /// Series of two points or more.
    moved: u64,
    /// Those between whose ends there is time.
    lasted: u64,
    delta: f64,
    increase: f64,
    rate: f64,
    count: u64,
    sum: f64,
    steps: f64,
    lines: f64,
    duration: f64,
    nan: bool,
}

impl Total {
    fn add_run(&mut self, run: &Run) {
        let duration = run.last.0.abs_diff(run.first.0) as f64;
        if run.count >= 2 {
            self.moved += 1;
            self.delta += run.last.1 - run.first.1;
            self.increase += run.increase;
        }
        if duration > 0.0 {
            self.lasted += 1;
            self.rate += run.increase / (duration / 1e9);
        }
        self.count += run.count;
        self.sum += run.sum;
        self.steps += run.steps;
        self.lines += run.lines;
        self.duration += duration;
        self.nan |= run.nan;
    }

    fn add(&mut self, other: &Self) {
        self.moved += other.moved;
        self.lasted += other.lasted;
        self.delta += other.delta;
        self.increase += other.increase;
        self.rate += other.rate;
        self.count += other.count;
        self.sum += other.sum;
        self.steps += other.steps;
        self.lines += other.lines;
        self.duration += other.duration;
        self.nan |= other.nan;
    }
}

/// Puts runs that partial aggregates and later points left apart into the order of time, one a
/// bucket.
fn in_order(runs: &mut Vec<(i64, Run)>) {
    runs.sort_by_key(|(bucket, run)| (*bucket, run.first.0));
    runs.dedup_by(|next, run| {
        let same = next.0 == run.0;
        if same {
            run.1.join(&next.1);
        }
        same
    });
}

/// The states of one input.
#[derive(Debug, Default)]
pub(in crate::kernels::aggregate) struct Course {
    /// Of the series at hand, by bucket, in the order of time.
    open: Vec<(i64, Run)>,
    /// Of the series at hand what remains of points that are gone, in any order.
    gone: Vec<(i64, Run)>,
    /// Of the series that are done, by bucket, or by window where they slide.
    totals: HashMap<i64, Total, FixedState>,
}

impl Course {
    pub(super) fn bytes(&self) -> usize {
        (self.open.len() + self.gone.len()) * size_of::<(i64, Run)>()
            + self.totals.len() * 2 * size_of::<(i64, Total)>()
    }

    pub(super) fn clear(&mut self) {
        self.open.clear();
        self.gone.clear();
        self.totals.clear();
    }

    /// Takes in points of a bucket, which follow all that it has.
    pub(super) fn take(&mut self, bucket: i64, points: impl Iterator<Item = (Timestamp, f64)>) {
        let mut run: Option<Run> = None;
        for (time, value) in points {
            let next = Run::of(time, value);
            match &mut run {
                Some(run) => run.join(&next),
                None => run = Some(next),
            }
        }
        if let Some(run) = run {
            self.follow(bucket, &run);
        }
    }

    /// Takes in what remains of points that are gone.
    pub(super) fn take_partial(&mut self, bucket: i64, partial: &Partial) {
        if let Some(run) = Run::of_partial(partial) {
            self.gone.push((bucket, run));
        }
    }

    fn follow(&mut self, bucket: i64, run: &Run) {
        match self.open.last_mut() {
            Some((last, open)) if *last == bucket => open.join(run),
            _ => self.open.push((bucket, *run)),
        }
    }

    /// Takes in what `other` has: of the same series, what follows in time, and of other series.
    pub(in crate::kernels::aggregate) fn join(&mut self, other: &Self) {
        other.open.iter().for_each(|(bucket, run)| self.follow(*bucket, run));
        for (bucket, total) in &other.totals {
            self.totals.entry(*bucket).or_default().add(total);
        }
    }

    /// Ends the series at hand.
    pub(in crate::kernels::aggregate) fn close(&mut self, windows: Option<Windows>) {
        let mut open = std::mem::take(&mut self.open);
        if !self.gone.is_empty() {
            open.append(&mut self.gone);
            in_order(&mut open);
        }
        match windows {
            None => {
                for (bucket, run) in &open {
                    self.totals.entry(*bucket).or_default().add_run(run);
                }
            }
            Some(windows) => {
                // Each window once: from the first bucket that it has on.
                let mut done = i64::MIN;
                for (at, (bucket, _)) in open.iter().enumerate() {
                    let (first, last) = windows.of(*bucket);
                    for window in first.max(done)..=last {
                        let inside = open[at..]
                            .iter()
                            .take_while(|(bucket, _)| windows.of(*bucket).0 <= window);
                        let run = inside.map(|(_, run)| *run).reduce(|mut all, run| {
                            all.join(&run);
                            all
                        });
                        if let Some(run) = run {
                            self.totals.entry(window).or_default().add_run(&run);
                        }
                    }
                    done = done.max(last.saturating_add(1));
                }
            }
        }
        self.open = open;
        self.open.clear();
    }

    /// What `function` makes of a bucket or window.
    pub(super) fn output(&self, function: Function, number: i64) -> Option<f64> {
        let total = self.totals.get(&number)?;
        let value = match function {
            Function::Delta if total.moved > 0 => total.delta,
            Function::Increase if total.moved > 0 => total.increase,
            Function::Rate if total.lasted > 0 => total.rate,
            Function::TimeWeighted if total.duration > 0.0 => total.steps / total.duration,
            Function::TimeWeightedLinear if total.duration > 0.0 => total.lines / total.duration,
            Function::TimeWeighted | Function::TimeWeightedLinear if total.count > 0 => {
                total.sum / total.count as f64
            }
            _ => return None,
        };
        Some(if total.nan { f64::NAN } else { value })
    }
}

//! A causal graph over fields: PCMCI with partial correlations.
//!
//! First, for each field, the past values that still go with it given the strongest others are kept
//! (PC1); then each link is tested given what was kept of its effect and of its cause (MCI), which
//! takes off what autocorrelation alone would show. Runge et al. (2019), "Detecting and quantifying
//! causal associations in large nonlinear time series datasets"; the conditions are those of
//! tigramite's `run_pcmci`, with one set of conditions for each number of them.

use rayon::prelude::*;

use super::lagged::Steps;
use super::partial::Columns;
use crate::analytics::{Column, Input, Options, Table};
use crate::error::{Error, Result};
use crate::kernels::Guard;

/// Steps back, where nothing else is said.
const MAX_LAG: usize = 3;
/// The most fields times steps back: the columns that are held.
const MOST_TERMS: usize = 4096;

/// A link that was tested.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Link {
    cause: usize,
    effect: usize,
    lag: usize,
    strength: f64,
    p: f64,
    q: f64,
}

struct Settings {
    max_lag: usize,
    alpha: f64,
    keep: f64,
    most: usize,
    same_time: bool,
    fdr: bool,
    all: bool,
}

/// Runs `causal_graph`; see the module of relations.
pub(super) fn run(inputs: &[Input<'_>], options: &mut Options, guard: &dyn Guard) -> Result<Table> {
    let settings = Settings {
        max_lag: options.count("max_lag", 1)?.unwrap_or(MAX_LAG),
        alpha: options.fraction("alpha", 0.01)?,
        keep: options.fraction("pc_alpha", 0.2)?,
        most: options.count("max_conditions", 0)?.unwrap_or(usize::MAX),
        same_time: options.flag("contemporaneous", false)?,
        fdr: options.flag("fdr", false)?,
        all: options.flag("all", false)?,
    };
    let every = options.duration("every")?;
    options.finish("causal_graph")?;
    Table::each(inputs, guard, |input| {
        if input.fields.len() < 2 {
            return Ok(table(&[], Vec::new(), 0));
        }
        let steps = Steps::of(input, every)?;
        let held =
            steps.names.len().saturating_mul(settings.max_lag.saturating_mul(2).saturating_add(1));
        if held > MOST_TERMS {
            return Err(Error::invalid(format!(
                "{} fields with max_lag={} are {held} columns, and at most {MOST_TERMS} can be held; \
                 max_lag={} would work",
                steps.names.len(),
                settings.max_lag,
                (MOST_TERMS / steps.names.len().max(1)).saturating_sub(1) / 2,
            )));
        }
        let bytes = held * steps.len() * 2 * size_of::<f64>();
        guard.charge(bytes)?;
        let past = Past::of(&steps, settings.max_lag, guard)?;
        let links = past.links(&settings, guard)?;
        guard.release(bytes);
        let found = links.iter().filter(|link| {
            settings.all || (if settings.fdr { link.q } else { link.p }) <= settings.alpha
        });
        Ok(table(&steps.names, found.copied().collect(), past.columns.rows()))
    })
}

/// Fields as they are and as they were, up to twice `max_lag` steps before: the conditions of a
/// cause lie before it.
struct Past {
    columns: Columns,
    fields: usize,
    max_lag: usize,
}

impl Past {
    fn of(steps: &Steps<'_>, max_lag: usize, guard: &dyn Guard) -> Result<Self> {
        let fields = steps.names.len();
        let terms: Vec<(usize, usize)> =
            (0..fields).flat_map(|field| (0..=2 * max_lag).map(move |lag| (field, lag))).collect();
        let columns = Columns::of(steps.table(&terms, 2 * max_lag), guard)?;
        Ok(Self { columns, fields, max_lag })
    }

    fn column(&self, (field, lag): (usize, usize)) -> usize {
        field * (2 * self.max_lag + 1) + lag
    }

    fn test(&self, cause: (usize, usize), effect: usize, given: &[(usize, usize)]) -> (f64, f64) {
        let given: Vec<usize> = given.iter().map(|term| self.column(*term)).collect();
        self.columns.partial(self.column(cause), self.column((effect, 0)), &given)
    }

    /// Every link, tested given what was kept of its ends.
    fn links(&self, settings: &Settings, guard: &dyn Guard) -> Result<Vec<Link>> {
        let parents = (0..self.fields)
            .into_par_iter()
            .map(|effect| self.parents(effect, settings, guard))
            .collect::<Result<Vec<_>>>()?;
        let mut places = Vec::new();
        for effect in 0..self.fields {
            for cause in 0..self.fields {
                // At one time neither is before the other: one test a pair.
                let first = if settings.same_time && cause < effect { 0 } else { 1 };
                places.extend((first..=self.max_lag).map(|lag| (cause, effect, lag)));
            }
        }
        let test = |&(cause, effect, lag): &(usize, usize, usize)| {
            guard.poll()?;
            let own = parents[effect].iter().copied().filter(|term| *term != (cause, lag));
            let mut given: Vec<(usize, usize)> = own.collect();
            for &(field, before) in &parents[cause] {
                if !given.contains(&(field, before + lag)) {
                    given.push((field, before + lag));
                }
            }
            let (strength, p) = self.test((cause, lag), effect, &given);
            Ok(Link { cause, effect, lag, strength, p, q: f64::NAN })
        };
        let mut links = places.par_iter().map(test).collect::<Result<Vec<_>>>()?;
        adjust(&mut links);
        Ok(links)
    }

    /// PC1: the past values that go with a field whatever number of the strongest others is given,
    /// the strongest first.
    fn parents(
        &self,
        effect: usize,
        settings: &Settings,
        guard: &dyn Guard,
    ) -> Result<Vec<(usize, usize)>> {
        let mut parents: Vec<((usize, usize), f64)> = (0..self.fields)
            .flat_map(|field| (1..=self.max_lag).map(move |lag| ((field, lag), f64::INFINITY)))
            .collect();
        let mut given = 0;
        while given < parents.len() && given <= settings.most {
            guard.poll()?;
            let terms: Vec<(usize, usize)> = parents.iter().map(|(term, _)| *term).collect();
            for (term, least) in &mut parents {
                let others: Vec<_> =
                    terms.iter().copied().filter(|other| other != term).take(given).collect();
                let (r, p) = self.test(*term, effect, &others);
                // A term that the others give, or that does not vary, explains nothing.
                *least = if p <= settings.keep { least.min(r.abs()) } else { f64::NAN };
            }
            parents.retain(|(_, least)| !least.is_nan());
            parents.sort_by(|a, b| b.1.total_cmp(&a.1));
            given += 1;
        }
        Ok(parents.into_iter().map(|(term, _)| term).collect())
    }
}

/// The share of false links among those at least as sure, at most: Benjamini and Hochberg (1995).
/// A link that could not be tested is none.
fn adjust(links: &mut [Link]) {
    let mut order: Vec<usize> = (0..links.len()).filter(|at| !links[*at].p.is_nan()).collect();
    order.sort_by(|a, b| links[*a].p.total_cmp(&links[*b].p));
    let mut least = 1.0f64;
    for (rank, at) in order.iter().enumerate().rev() {
        least = least.min(links[*at].p * order.len() as f64 / (rank + 1) as f64);
        links[*at].q = least;
    }
}

fn table(names: &[&str], links: Vec<Link>, rows: usize) -> Table {
    let text = |at: usize| Some(names[at].to_owned());
    let floats = |of: fn(&Link) -> f64| Column::Float(links.iter().map(of).collect());
    Table::new([
        ("cause", Column::Text(links.iter().map(|link| text(link.cause)).collect())),
        ("effect", Column::Text(links.iter().map(|link| text(link.effect)).collect())),
        ("lag", Column::Int(links.iter().map(|link| link.lag as i64).collect())),
        ("strength", floats(|link| link.strength)),
        ("p", floats(|link| link.p)),
        ("q", floats(|link| link.q)),
        ("n", Column::Int(vec![rows as i64; links.len()])),
    ])
}

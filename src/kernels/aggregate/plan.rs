//! What to compute, of what, and which rows count.

use crate::chunk::Stats;
use crate::error::Result;
use crate::kernels::filter::Verdict;
use crate::kernels::function::{Function, Needs};
use crate::kernels::merge::Rows;
use crate::model::{Column, FieldType, Timestamp};

/// Where the values of an input come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The field with this id.
    Field(usize),
    /// The times of the rows: integers of nanoseconds.
    Time,
    /// The column at this place of what a [`RowMap`] computes.
    Mapped(usize),
}

/// The bins of a histogram: `count` equal ones of `[low, high)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bins {
    /// Where the first starts.
    pub low: f64,
    /// Where the last ends.
    pub high: f64,
    /// How many.
    pub count: usize,
}

/// An input to aggregate.
#[derive(Clone, Debug, PartialEq)]
pub struct InputPlan {
    /// Where its values come from.
    pub source: Source,
    /// Their type.
    pub ty: FieldType,
    /// What has to be computed of its points.
    pub needs: Needs,
    /// The histograms to make of them.
    pub histograms: Vec<Bins>,
}

impl InputPlan {
    /// Whether the statistics of a block hold all that is needed.
    pub fn in_statistics(&self) -> bool {
        self.needs.in_statistics() && self.histograms.is_empty()
    }
}

/// What has to be computed of pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PairNeeds {
    /// Means, deviations and their products.
    Moments,
    /// The first where the second is least.
    Least,
    /// The first where the second is greatest.
    Greatest,
}

/// Two inputs to aggregate together: rows in which neither is null.
#[derive(Clone, Debug, PartialEq)]
pub struct PairPlan {
    /// Where their values come from.
    pub sources: [Source; 2],
    /// Their types.
    pub types: [FieldType; 2],
    /// What has to be computed of them.
    pub needs: PairNeeds,
}

/// All that an accumulator computes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// The inputs of functions of one input, each once.
    pub inputs: Vec<InputPlan>,
    /// Those of functions of two.
    pub pairs: Vec<PairPlan>,
    /// Whether rows are counted: all that there are, whatever they hold.
    pub rows: bool,
}

/// One output: a function of what the plan computes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ask {
    /// The function.
    pub function: Function,
    /// The place in [`Plan::inputs`] or, for functions of two, in [`Plan::pairs`].
    pub at: usize,
}

impl Plan {
    /// The plan of one field.
    pub fn of_field(field: usize, ty: FieldType, needs: Needs) -> Self {
        let input = InputPlan { source: Source::Field(field), ty, needs, histograms: Vec::new() };
        Self { inputs: vec![input], ..Self::default() }
    }

    /// Adds a function of inputs that come from `sources`, unless it is there; says where.
    pub fn ask(&mut self, function: Function, sources: &[(Source, FieldType)]) -> Ask {
        let at = match *sources {
            [(source, ty)] => {
                let known = self.inputs.iter().position(|input| input.source == source);
                let at = known.unwrap_or_else(|| {
                    let (needs, histograms) = (Needs::default(), Vec::new());
                    self.inputs.push(InputPlan { source, ty, needs, histograms });
                    self.inputs.len() - 1
                });
                let input = &mut self.inputs[at];
                function.require(&mut input.needs);
                if let Function::Histogram { low, high, bins } = function {
                    let bins = Bins { low, high, count: bins };
                    if !input.histograms.contains(&bins) {
                        input.histograms.push(bins);
                    }
                }
                at
            }
            [(a, a_type), (b, b_type)] => {
                let needs = match function {
                    Function::ArgMin => PairNeeds::Least,
                    Function::ArgMax => PairNeeds::Greatest,
                    _ => PairNeeds::Moments,
                };
                let pair = PairPlan { sources: [a, b], types: [a_type, b_type], needs };
                let known = self.pairs.iter().position(|known| *known == pair);
                known.unwrap_or_else(|| {
                    self.pairs.push(pair);
                    self.pairs.len() - 1
                })
            }
            _ => {
                self.rows = true;
                0
            }
        };
        Ask { function, at }
    }

    /// The ids of the fields that inputs and pairs take their values from, ascending.
    pub fn fields(&self) -> Vec<usize> {
        fields_of(self.sources())
    }

    /// Whether an input or a pair takes the times of rows.
    pub fn of_time(&self) -> bool {
        self.sources().any(|source| source == Source::Time)
    }

    fn sources(&self) -> impl Iterator<Item = Source> {
        let inputs = self.inputs.iter().map(|input| input.source);
        inputs.chain(self.pairs.iter().flat_map(|pair| pair.sources))
    }
}

/// The ids of the fields among `sources`, ascending.
pub(super) fn fields_of(sources: impl Iterator<Item = Source>) -> Vec<usize> {
    let mut fields: Vec<usize> = sources
        .filter_map(|source| match source {
            Source::Field(field) => Some(field),
            Source::Time | Source::Mapped(_) => None,
        })
        .collect();
    fields.sort_unstable();
    fields.dedup();
    fields
}

/// The statistics stored of a field in a block, by its id. The outer `None`: there are none, or the
/// block does not hold the field; the inner: all of its rows are null.
pub type BlockStats<'a> = &'a dyn Fn(usize) -> Option<Option<Stats>>;

/// A condition on the rows of one series and columns computed of them.
pub trait RowMap: Send + Sync {
    /// The ids of the fields that it reads, ascending.
    fn fields(&self) -> &[usize];

    /// Whether it leaves rows out.
    fn filters(&self) -> bool;

    /// What is known of the rows of a block from its first and last time, how many they are, and
    /// statistics.
    fn verdict(
        &self,
        span: (Timestamp, Timestamp),
        rows: usize,
        statistics: BlockStats<'_>,
    ) -> Verdict;

    /// The rows that pass, and the columns computed of them. `rows` has the columns of `wanted`
    /// (field ids, ascending), all of [`Self::fields`] among them.
    ///
    /// # Errors
    /// When an expression fails on a row.
    fn apply(&self, rows: Rows, wanted: &[usize]) -> Result<(Rows, Vec<Column>)>;
}

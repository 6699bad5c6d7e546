//! The forms of exponential smoothing: error, trend and season.

use std::fmt;

use crate::error::{Error, Result};

/// How a component enters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Not at all.
    None,
    /// By addition.
    Additive,
    /// By multiplication.
    Multiplicative,
}

/// How the trend goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trend {
    /// There is none.
    None,
    /// As a straight line.
    Straight,
    /// As a line that flattens.
    Damped,
}

/// A form, such as ETS(M,Ad,M).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    /// Whether errors are relative to the forecast.
    pub relative: bool,
    /// The trend.
    pub trend: Trend,
    /// The season.
    pub season: Part,
}

impl Form {
    /// Every form that is numerically sound (Hyndman & Khandakar 2008 leave the additive error with
    /// a multiplicative season out) and for which values are fit: relative errors and
    /// multiplicative seasons need positive values.
    pub(super) fn all(positive: bool, seasonal: bool) -> Vec<Self> {
        let mut forms = Vec::with_capacity(15);
        let seasons: &[Part] = match (seasonal, positive) {
            (false, _) => &[Part::None],
            (true, false) => &[Part::None, Part::Additive],
            (true, true) => &[Part::None, Part::Additive, Part::Multiplicative],
        };
        for &season in seasons {
            for trend in [Trend::None, Trend::Straight, Trend::Damped] {
                for relative in [false, true] {
                    let sound = relative || season != Part::Multiplicative;
                    if sound && (positive || !relative) {
                        forms.push(Self { relative, trend, season });
                    }
                }
            }
        }
        forms
    }

    /// Its estimated parameters, with the states at the start and the variance, for a season of
    /// `m` steps.
    pub(super) fn parameters(&self, m: usize) -> usize {
        let trend = match self.trend {
            Trend::None => 0,
            Trend::Straight => 2,
            Trend::Damped => 3,
        };
        // The smoothing and the level; a season's factor and all its states but one.
        let season = if self.season == Part::None { 0 } else { m };
        3 + trend + season
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = if self.relative { "M" } else { "A" };
        let trend = match self.trend {
            Trend::None => "N",
            Trend::Straight => "A",
            Trend::Damped => "Ad",
        };
        let season = match self.season {
            Part::None => "N",
            Part::Additive => "A",
            Part::Multiplicative => "M",
        };
        write!(f, "ETS({error},{trend},{season})")
    }
}

/// Which forms are tried: some parts may be given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Choice {
    relative: Option<bool>,
    trend: Option<Trend>,
    season: Option<Part>,
}

impl Choice {
    /// Reads a form such as "MAdM", "AAN" or "ZZZ", where Z is chosen by AICc.
    ///
    /// # Errors
    /// For anything else, with what would work.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let wrong = || {
            Error::invalid(format!(
                "form is an error (A, M or Z), a trend (N, A, Ad or Z) and a season (N, A, M or \
                 Z), such as \"MAdM\" or \"ZZZ\"; got {text:?}"
            ))
        };
        let (error, rest) = text.split_at_checked(1).ok_or_else(wrong)?;
        let cut = rest.len().checked_sub(1).ok_or_else(wrong)?;
        let (trend, season) = rest.split_at_checked(cut).ok_or_else(wrong)?;
        let choice = Self {
            relative: match error {
                "A" => Some(false),
                "M" => Some(true),
                "Z" => None,
                _ => return Err(wrong()),
            },
            trend: match trend {
                "N" => Some(Trend::None),
                "A" => Some(Trend::Straight),
                "Ad" => Some(Trend::Damped),
                "Z" => None,
                _ => return Err(wrong()),
            },
            season: match season {
                "N" => Some(Part::None),
                "A" => Some(Part::Additive),
                "M" => Some(Part::Multiplicative),
                "Z" => None,
                _ => return Err(wrong()),
            },
        };
        if choice.relative == Some(false) && choice.season == Some(Part::Multiplicative) {
            return Err(Error::invalid(format!(
                "form={text:?}: an additive error with a multiplicative season is unstable; \
                 \"M{trend}M\" would work"
            )));
        }
        Ok(choice)
    }

    /// Whether a form is among those to try.
    pub(super) fn allows(&self, form: &Form) -> bool {
        self.relative.is_none_or(|relative| relative == form.relative)
            && self.trend.is_none_or(|trend| trend == form.trend)
            && self.season.is_none_or(|season| season == form.season)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_fifteen_forms_and_six_without_a_season() {
        assert_eq!(Form::all(true, true).len(), 15);
        assert_eq!(Form::all(true, false).len(), 6);
        assert_eq!(Form::all(false, true).len(), 6);
    }

    #[test]
    fn a_form_reads_as_it_is_written() {
        for form in Form::all(true, true) {
            let text: String =
                form.to_string().chars().filter(|c| !"ETS(,)".contains(*c)).collect();
            let choice = Choice::parse(&text).expect("written by us");
            let allowed: Vec<_> =
                Form::all(true, true).into_iter().filter(|f| choice.allows(f)).collect();
            assert_eq!(allowed, [form]);
        }
        for bad in ["", "A", "AA", "XNN", "AAdX", "ANM", "éé", "MNNN"] {
            assert!(Choice::parse(bad).is_err(), "{bad}");
        }
        assert!(Form::all(true, true).iter().all(|f| Choice::default().allows(f)));
    }
}

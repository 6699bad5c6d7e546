//! Bits a value and speed of each series, beside rivals.

use kymograph::codec::{Choice, Effort, Encoding};
use serde_json::{Value, json};

use crate::data::{self, Series};
use crate::rivals::{self, Measured};
use crate::table::{Table, figure};
use crate::timing::{mean, median};

/// The codecs of a line, in this order.
const CODECS: [&str; 7] = ["HOT", "COLD", "gorilla", "pco 8", "pco 12", "zstd 3", "zstd 19"];

/// Bits a value that the mean over decimal series is to reach.
const TARGETS: [(&str, f64); 2] = [("HOT", 10.2), ("COLD", 8.0)];

/// What was measured of one series.
pub(crate) struct Line<'a> {
    series: &'a Series,
    /// Of [`CODECS`].
    measured: [Measured; 7],
    decimal: bool,
}

/// Significant digits that a decimal has at most: what sensors, prices and counts are written in.
const DIGITS: usize = 10;

/// Whether nineteen values of twenty are decimals of at most [`DIGITS`] digits. It asks the values,
/// not what a codec makes of them, so that a set stays the same when a codec changes.
fn is_decimal(values: &[f64]) -> bool {
    let is_short = |value: &&f64| {
        let text = format!("{value:e}");
        let digits = text.split('e').next().unwrap_or_default();
        value.is_finite() && digits.bytes().filter(u8::is_ascii_digit).count() <= DIGITS
    };
    values.iter().filter(is_short).count() * 20 >= values.len() * 19
}

/// Measures each series.
pub(crate) fn measure<'a>(all: impl Iterator<Item = &'a Series>) -> Vec<Line<'a>> {
    all.map(|series| {
        let values = &series.values;
        eprintln!("{} ({} values)", series.name, values.len());
        let gorilla = Choice { effort: Effort::Hot, encoding: Some(Encoding::Gorilla) };
        let measured = [
            rivals::ours(values, Choice { effort: Effort::Hot, encoding: None }),
            rivals::ours(values, Choice { effort: Effort::Cold, encoding: None }),
            rivals::ours(values, gorilla),
            rivals::pco(values, 8),
            rivals::pco(values, 12),
            rivals::zstd(values, 3),
            rivals::zstd(values, 19),
        ];
        Line { series, measured, decimal: is_decimal(values) }
    })
    .collect()
}

/// Lines that are summed up together.
fn groups<'l, 'a>(lines: &'l [Line<'a>]) -> Vec<(String, Vec<&'l Line<'a>>)> {
    let decimal = |line: &&Line| line.decimal;
    let mut groups: Vec<(String, Vec<&Line>)> = Vec::new();
    for group in [data::ROW_GROUPS, data::VECTORS, data::NAB, data::ETT, data::GENERATED] {
        let of = lines.iter().filter(|line| line.series.group == group);
        groups.push((group.to_owned(), of.collect()));
    }
    groups.push(("decimal".to_owned(), lines.iter().filter(decimal).collect()));
    let other = lines.iter().filter(|line| !line.decimal);
    groups.push(("not decimal".to_owned(), other.collect()));
    groups.push(("all".to_owned(), lines.iter().collect()));
    groups.retain(|group| !group.1.is_empty());
    groups
}

/// The mean of ALP's published figures, and of ours on the same series.
fn published(lines: &[&Line]) -> Option<(f64, f64, usize)> {
    let both: Vec<(f64, f64)> = lines
        .iter()
        .filter_map(|line| Some((line.series.published?, line.measured[0].bits)))
        .collect();
    let (alp, hot): (Vec<f64>, Vec<f64>) = both.iter().copied().unzip();
    (!both.is_empty()).then(|| (mean(&alp), mean(&hot), both.len()))
}

/// Prints sizes, speeds, and both by group.
pub(crate) fn print(lines: &[Line]) {
    if lines.is_empty() {
        return;
    }
    let mut heads = vec!["values"];
    heads.extend(CODECS);
    heads.extend(["ALP publ.", "decimal", "encoding, HOT then COLD"]);
    let table = Table::new("Size, bits a value", 44, &heads);
    for line in lines {
        let mut cells = vec![line.series.values.len().to_string()];
        cells.extend(line.measured.iter().map(|codec| figure(codec.bits, 2)));
        cells.push(figure(line.series.published.unwrap_or(f64::NAN), 2));
        cells.push(if line.decimal { "yes" } else { "no" }.to_owned());
        let [hot, cold, ..] = &line.measured;
        cells.push(format!("{}, {}", hot.encodings.join("+"), cold.encodings.join("+")));
        table.line(&line.series.name, &cells);
    }

    let mut heads = vec!["HOT enc", "COLD enc", "gor. enc"];
    heads.extend(CODECS);
    let table = Table::new("Speed, one thread: encode, then decode, M values/s", 44, &heads);
    for line in lines {
        let mut cells: Vec<String> =
            line.measured[..3].iter().map(|codec| figure(codec.encode, 0)).collect();
        cells.extend(line.measured.iter().map(|codec| figure(codec.decode, 0)));
        table.line(&line.series.name, &cells);
    }

    let mut heads = vec!["series"];
    heads.extend(CODECS);
    heads.extend(["ALP publ.", "HOT there"]);
    let table = Table::new("Means of bits a value", 44, &heads);
    for (name, lines) in groups(lines) {
        let mut cells = vec![lines.len().to_string()];
        cells
            .extend((0..CODECS.len()).map(|codec| figure(mean(&of(&lines, codec, |m| m.bits)), 2)));
        if let Some((alp, hot, n)) = published(&lines) {
            cells.extend([figure(alp, 2), format!("{} of {n}", figure(hot, 2))]);
        }
        table.line(&name, &cells);
    }
    let decimal: Vec<&Line> = lines.iter().filter(|line| line.decimal).collect();
    println!("\ndecimal: at least 95 % of the values are decimals of at most {DIGITS} digits");
    println!("ALP's figures are of whole datasets, of which these are samples");
    for (codec, target) in TARGETS.into_iter().filter(|_| !decimal.is_empty()) {
        let bits = |name| {
            let at = CODECS.iter().position(|codec| *codec == name).unwrap_or_default();
            mean(&of(&decimal, at, |measured| measured.bits))
        };
        let share = bits(codec) / bits("pco 12");
        let bits = bits(codec);
        println!("decimal, {codec}: {bits:.2}, target {target}; {share:.3} of pco 12");
    }

    let mut heads = vec!["series", "HOT enc", "COLD enc", "gor. enc"];
    heads.extend(CODECS);
    let table = Table::new("Medians of speed: encode, then decode, M values/s", 44, &heads);
    for (name, lines) in groups(lines) {
        let mut cells = vec![lines.len().to_string()];
        cells.extend((0..3).map(|codec| figure(median(of(&lines, codec, |m| m.encode)), 0)));
        let decode = |codec| figure(median(of(&lines, codec, |m| m.decode)), 0);
        cells.extend((0..CODECS.len()).map(decode));
        table.line(&name, &cells);
    }
}

fn of(lines: &[&Line], codec: usize, figure: impl Fn(&Measured) -> f64) -> Vec<f64> {
    lines.iter().map(|line| figure(&line.measured[codec])).collect()
}

/// The same as data.
pub(crate) fn json(lines: &[Line]) -> Value {
    let codecs = |figure: &dyn Fn(usize) -> Value| -> Value {
        CODECS.iter().enumerate().map(|(at, name)| (name.to_string(), figure(at))).collect()
    };
    let each = lines.iter().map(|line| {
        json!({
            "name": line.series.name,
            "group": line.series.group,
            "values": line.series.values.len(),
            "decimal": line.decimal,
            "published": line.series.published,
            "hot": line.measured[0].encodings,
            "cold": line.measured[1].encodings,
            "codecs": codecs(&|at| {
                let Measured { bits, encode, decode, .. } = line.measured[at];
                json!({"bits": bits, "encode": encode, "decode": decode})
            }),
        })
    });
    let sums = groups(lines).into_iter().map(|(name, lines)| {
        let published = published(&lines);
        json!({
            "name": name,
            "series": lines.len(),
            "published": published.map(|(alp, hot, n)| json!({"alp": alp, "hot": hot, "series": n})),
            "codecs": codecs(&|at| json!({
                "bits": mean(&of(&lines, at, |m| m.bits)),
                "encode": median(of(&lines, at, |m| m.encode)),
                "decode": median(of(&lines, at, |m| m.decode)),
            })),
        })
    });
    json!({"each": each.collect::<Vec<_>>(), "groups": sums.collect::<Vec<_>>()})
}

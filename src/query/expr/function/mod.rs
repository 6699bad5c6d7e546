//! The functions of one row's values.

mod any;
mod call;
mod number;
mod regexp;
mod text;
mod time;

use call::Call;

use super::node::Node;
use crate::error::{Error, Result, nearest};

pub(super) use text::join;

/// What takes any number of arguments.
const MANY: usize = usize::MAX;

struct Entry {
    scalar: Scalar,
    names: &'static [&'static str],
    takes: &'static str,
    least: usize,
    most: usize,
}

/// The functions, by the module that builds them: names, what they take, how many at least and
/// at most.
macro_rules! scalars {
    ($($module:ident { $($(#[$doc:meta])+ $name:ident
        ([$($alias:literal),+], $takes:literal, $least:literal, $most:expr);)+ })+) => {
        /// A function of the values of one row.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Scalar {
            $($($(#[$doc])+ $name,)+)+
        }

        const FUNCTIONS: &[Entry] = &[$($(Entry {
            scalar: Scalar::$name,
            names: &[$($alias),+],
            takes: $takes,
            least: $least,
            most: $most,
        }),+),+];

        /// The function of arguments, their number and types checked.
        pub(super) fn build(scalar: Scalar, arguments: Vec<Node>) -> Result<Node> {
            let call = Call::new(scalar, arguments)?;
            match scalar {
                $($(Scalar::$name)|+ => $module::build(call),)+
            }
        }
    };
}

scalars! {
    number {
        /// The number without its sign.
        Abs(["abs"], "x", 1, 1);
        /// -1, 0 or 1; 0 of NaN.
        Sign(["sign"], "x", 1, 1);
        /// To so many digits after the point, or with negative ones before; halves away from 0.
        Round(["round"], "x[, digits]", 1, 2);
        /// The next whole number down, as a double.
        Floor(["floor"], "x", 1, 1);
        /// The next whole number up, as a double.
        Ceil(["ceil", "ceiling"], "x", 1, 1);
        /// Without the digits after the point, or after so many of them.
        Trunc(["trunc", "truncate"], "x[, digits]", 1, 2);
        /// The square root.
        Sqrt(["sqrt"], "x", 1, 1);
        /// The cube root.
        Cbrt(["cbrt"], "x", 1, 1);
        /// e to the power of x.
        Exp(["exp"], "x", 1, 1);
        /// The natural logarithm.
        Ln(["ln"], "x", 1, 1);
        /// The logarithm of x to base 10, or to the base given first.
        Log(["log"], "[base, ]x", 1, 2);
        /// The logarithm to base 10.
        Log10(["log10"], "x", 1, 1);
        /// The logarithm to base 2.
        Log2(["log2"], "x", 1, 1);
        /// A power, as a double.
        Pow(["pow", "power"], "x, exponent", 2, 2);
        /// What `%` gives.
        Mod(["mod", "fmod"], "x, divisor", 2, 2);
        /// The sine of radians.
        Sin(["sin"], "x", 1, 1);
        /// The cosine of radians.
        Cos(["cos"], "x", 1, 1);
        /// The tangent of radians.
        Tan(["tan"], "x", 1, 1);
        /// The inverse of the sine.
        Asin(["asin"], "x", 1, 1);
        /// The inverse of the cosine.
        Acos(["acos"], "x", 1, 1);
        /// The inverse of the tangent.
        Atan(["atan"], "x", 1, 1);
        /// The angle of a point.
        Atan2(["atan2"], "y, x", 2, 2);
        /// The hyperbolic sine.
        Sinh(["sinh"], "x", 1, 1);
        /// The hyperbolic cosine.
        Cosh(["cosh"], "x", 1, 1);
        /// The hyperbolic tangent.
        Tanh(["tanh"], "x", 1, 1);
        /// Radians in degrees.
        Degrees(["degrees"], "x", 1, 1);
        /// Degrees in radians.
        Radians(["radians"], "x", 1, 1);
        /// 3.14159...
        Pi(["pi"], "", 0, 0);
        /// Whether it is NaN.
        IsNan(["isnan", "is_nan"], "x", 1, 1);
        /// Whether it is neither NaN nor infinite.
        IsFinite(["isfinite", "is_finite"], "x", 1, 1);
        /// Whether it is infinite.
        IsInf(["isinf", "is_infinite"], "x", 1, 1);
    }
    any {
        /// The greatest that is not null.
        Greatest(["greatest"], "x, y, ...", 1, MANY);
        /// The least that is not null.
        Least(["least"], "x, y, ...", 1, MANY);
        /// The first that is not null.
        Coalesce(["coalesce", "ifnull", "nvl"], "x, y, ...", 1, MANY);
        /// Null where x equals y, else x.
        NullIf(["nullif"], "x, y", 2, 2);
        /// The second where the first is true, else the third.
        If(["if", "iff", "iif"], "condition, x, y", 3, 3);
    }
    text {
        /// In lower case.
        Lower(["lower", "lcase"], "text", 1, 1);
        /// In upper case.
        Upper(["upper", "ucase"], "text", 1, 1);
        /// How many characters.
        Length(["length", "len", "char_length", "character_length"], "text", 1, 1);
        /// How many bytes of UTF-8.
        OctetLength(["octet_length", "strlen"], "text", 1, 1);
        /// Without the spaces, or the characters given, around it.
        Trim(["trim", "btrim"], "text[, characters]", 1, 2);
        /// Without those before it.
        LTrim(["ltrim"], "text[, characters]", 1, 2);
        /// Without those after it.
        RTrim(["rtrim"], "text[, characters]", 1, 2);
        /// From a character on, counted from 1, or from the end when negative; of a negative
        /// length the characters before it.
        Substr(["substr", "substring"], "text, start[, length]", 2, 3);
        /// The first characters; of a negative number all but the last.
        Left(["left"], "text, count", 2, 2);
        /// The last characters; of a negative number all but the first.
        Right(["right"], "text, count", 2, 2);
        /// With every occurrence of a text replaced.
        Replace(["replace"], "text, from, to", 3, 3);
        /// The characters backwards.
        Reverse(["reverse"], "text", 1, 1);
        /// All one after the other, nulls left out.
        Concat(["concat"], "x, y, ...", 1, MANY);
        /// All but the first, with the first between them, nulls left out.
        ConcatWs(["concat_ws"], "separator, x, y, ...", 2, MANY);
        /// Whether it begins so.
        StartsWith(["starts_with", "prefix"], "text, start", 2, 2);
        /// Whether it ends so.
        EndsWith(["ends_with", "suffix"], "text, end", 2, 2);
        /// Whether it holds that.
        Contains(["contains"], "text, part", 2, 2);
        /// The character at which the part begins, from 1; 0 if it does not hold it.
        Strpos(["strpos", "instr", "position"], "text, part", 2, 2);
        /// One of the pieces between separators, from 1, or from the end when negative; empty if
        /// there is none.
        SplitPart(["split_part"], "text, separator, place", 3, 3);
        /// So many times.
        Repeat(["repeat"], "text, count", 2, 2);
        /// Filled up or cut to so many characters, on the left.
        LPad(["lpad"], "text, length[, fill]", 2, 3);
        /// Filled up or cut to so many characters, on the right.
        RPad(["rpad"], "text, length[, fill]", 2, 3);
    }
    regexp {
        /// Whether a regular expression is found in the text.
        RegexpMatches(["regexp_matches", "regexp_like"], "text, pattern[, flags]", 2, 3);
        /// With the first match, or by the flag 'g' all, replaced; `\1` is the first group.
        RegexpReplace(["regexp_replace"], "text, pattern, replacement[, flags]", 3, 4);
        /// The first match, or a group of it; empty if there is none.
        RegexpExtract(["regexp_extract"], "text, pattern[, group]", 2, 3);
    }
    time {
        /// The start of the unit that holds the time.
        DateTrunc(["date_trunc", "datetrunc"], "unit, time[, timezone]", 2, 3);
        /// A part of a time: its hour, its day of the week.
        DatePart(["date_part", "datepart", "extract"], "part, time[, timezone]", 2, 3);
        /// The year.
        Year(["year"], "time", 1, 1);
        /// The quarter, from 1.
        Quarter(["quarter"], "time", 1, 1);
        /// The month, from 1.
        Month(["month"], "time", 1, 1);
        /// The ISO week, from 1.
        Week(["week", "weekofyear"], "time", 1, 1);
        /// The day of the month.
        Day(["day", "dayofmonth"], "time", 1, 1);
        /// The day of the week, Sunday being 0.
        DayOfWeek(["dayofweek", "dow", "weekday"], "time", 1, 1);
        /// The day of the week, Monday being 1 and Sunday 7.
        IsoDayOfWeek(["isodow"], "time", 1, 1);
        /// The day of the year, from 1.
        DayOfYear(["dayofyear", "doy"], "time", 1, 1);
        /// The hour.
        Hour(["hour"], "time", 1, 1);
        /// The minute.
        Minute(["minute"], "time", 1, 1);
        /// The second.
        Second(["second"], "time", 1, 1);
        /// Seconds since 1970, or of an interval, as a double.
        Epoch(["epoch"], "time", 1, 1);
        /// Milliseconds since 1970, or of an interval, rounded.
        EpochMs(["epoch_ms"], "time", 1, 1);
        /// Microseconds since 1970, or of an interval, rounded.
        EpochUs(["epoch_us"], "time", 1, 1);
        /// Nanoseconds since 1970, or of an interval.
        EpochNs(["epoch_ns"], "time", 1, 1);
        /// The time so many seconds after 1970.
        ToTimestamp(["to_timestamp"], "seconds", 1, 1);
        /// The time of a date and a time of day, UTC.
        MakeTimestamp(["make_timestamp"], "year, month, day, hour, minute, seconds", 6, 6);
        /// The time so many milliseconds after 1970.
        MakeTimestampMs(["make_timestamp_ms"], "milliseconds", 1, 1);
        /// The time so many microseconds after 1970.
        MakeTimestampUs(["make_timestamp_us"], "microseconds", 1, 1);
        /// The time so many nanoseconds after 1970.
        MakeTimestampNs(["make_timestamp_ns"], "nanoseconds", 1, 1);
        /// The time as text, by a format such as '%Y-%m-%d %H:%M:%S'.
        Strftime(["strftime"], "time, format[, timezone]", 2, 3);
        /// The time in a text, by such a format.
        Strptime(["strptime"], "text, format", 2, 2);
        /// The same, null where the text does not read so.
        TryStrptime(["try_strptime"], "text, format", 2, 2);
        /// The start of the bucket that holds the time: of so long each, from an origin on, days
        /// and longer ones by the clocks of a time zone.
        TimeBucket(["time_bucket"], "width, time[, origin][, timezone]", 2, 4);
        /// The first time less the second.
        Age(["age"], "time, since", 2, 2);
        /// How many starts of the unit lie between two times.
        DateDiff(["date_diff", "datediff"], "unit, from, to", 3, 3);
        /// The time when the query began.
        Now(["now", "current_timestamp"], "", 0, 0);
    }
}

impl Scalar {
    /// The function of a name, in any case.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] with the nearest names.
    pub fn parse(name: &str) -> Result<Self> {
        let wanted = name.to_lowercase();
        let found = FUNCTIONS.iter().find(|entry| entry.names.contains(&wanted.as_str()));
        found.map(|entry| entry.scalar).ok_or_else(|| {
            let known = FUNCTIONS.iter().flat_map(|entry| entry.names.iter().copied());
            Error::NotFound(format!("there is no function {name}(); {}", nearest(name, known)))
        })
    }

    /// The names of all functions, aliases too.
    pub fn names() -> impl Iterator<Item = &'static str> {
        FUNCTIONS.iter().flat_map(|entry| entry.names.iter().copied())
    }

    /// The first of its names.
    pub fn name(self) -> &'static str {
        self.entry().names.first().copied().unwrap_or_default()
    }

    fn entry(self) -> &'static Entry {
        // The table lists the variants in their own order.
        &FUNCTIONS[self as usize]
    }

    /// The function as it is called: `round(x[, digits])`.
    fn signature(self) -> String {
        format!("{}({})", self.name(), self.entry().takes)
    }
}

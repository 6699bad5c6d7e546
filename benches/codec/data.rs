//! The series to measure: real ones where they are, else generated.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;

/// Values of one kind.
pub(crate) struct Series {
    pub(crate) group: &'static str,
    pub(crate) name: String,
    pub(crate) values: Vec<f64>,
    /// Bits a value that the ALP paper gives for the whole of this dataset (SIGMOD 2023, table 4).
    pub(crate) published: Option<f64>,
}

pub(crate) const ROW_GROUPS: &str = "alp row groups";
pub(crate) const VECTORS: &str = "alp vectors";
pub(crate) const NAB: &str = "nab";
pub(crate) const ETT: &str = "ett";
pub(crate) const GENERATED: &str = "generated";

/// The files of the paper's datasets by what the paper calls them.
const PUBLISHED: &[(&str, &str)] = &[
    ("arade4", "arade/4"),
    ("basel_temp_f", "basel-temp"),
    ("basel_wind_f", "basel-wind"),
    ("bird_migration_f", "bird-mig"),
    ("bitcoin_f", "btc-price"),
    ("bitcoin_transactions_f", "blockchain"),
    ("city_temperature_f", "city-temp"),
    ("cms1", "cms/1"),
    ("cms25", "cms/25"),
    ("cms9", "cms/9"),
    ("food_prices", "food-prices"),
    ("gov10", "gov/10"),
    ("gov26", "gov/26"),
    ("gov30", "gov/30"),
    ("gov31", "gov/31"),
    ("gov40", "gov/40"),
    ("medicare1", "medicare/1"),
    ("medicare9", "medicare/9"),
    ("neon_air_pressure", "air-pressure"),
    ("neon_bio_temp_c", "bio-temp"),
    ("neon_dew_point_temp", "dew-temp"),
    ("neon_pm10_dust", "pm10-dust"),
    ("neon_wind_dir", "wind-dir"),
    ("nyc29", "nyc/29"),
    ("poi_lat", "poi-lat"),
    ("poi_lon", "poi-lon"),
    ("ssd_hdd_benchmarks_f", "sd-bench"),
    ("stocks_de", "stocks-de"),
    ("stocks_uk", "stocks-uk"),
    ("stocks_usa_c", "stocks-usa"),
];

/// Every series below a folder, in the order of names.
pub(crate) fn read(folder: &Path) -> Vec<Series> {
    let published = std::fs::read_to_string(folder.join("alp/published.csv")).unwrap_or_default();
    let alp = |stem: &str| {
        let name = PUBLISHED.iter().find(|pair| pair.0 == stem)?.1;
        let mut rows = published.lines().map(|line| line.split(',').collect::<Vec<_>>());
        let columns = rows.next()?;
        let row = rows.find(|row| row[0] == name)?;
        // The paper turns to ALP for real doubles where ALP has no figure.
        let cell = |column: &str| {
            let at = columns.iter().position(|name| *name == column)?;
            row.get(at)?.parse::<f64>().ok().filter(|bits| bits.is_finite())
        };
        cell("alp").or_else(|| cell("alp_rd"))
    };
    let mut found = Vec::new();
    for path in files(&folder.join("alp"), ".bin.gz") {
        let stem = name(&path, "_tw.bin.gz");
        let mut bytes = Vec::new();
        GzDecoder::new(File::open(&path).unwrap()).read_to_end(&mut bytes).unwrap();
        let values = bytes.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect();
        let published = alp(&stem);
        found.push(Series { group: ROW_GROUPS, name: format!("rows/{stem}"), values, published });
    }
    for path in files(&folder.join("alp/vectors"), ".csv") {
        let stem = name(&path, ".csv");
        let published = alp(&stem);
        let values = column(&path, 0, 0);
        found.push(Series { group: VECTORS, name: format!("vector/{stem}"), values, published });
    }
    for path in nab(folder) {
        let values = column(&path, 1, 1);
        let name = format!("nab/{}", name(&path, ".csv"));
        found.push(Series { group: NAB, name, values, published: None });
    }
    let ett = folder.join("analytics/ett/ETTh1.csv");
    for (at, name) in ["HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT"].iter().enumerate() {
        let values = column(&ett, 1, at + 1);
        found.push(Series { group: ETT, name: format!("ett/{name}"), values, published: None });
    }
    found.retain(|series| !series.values.is_empty());
    found
}

/// The files of the Numenta Anomaly Benchmark.
pub(crate) fn nab(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder.join("nab")) else { return Vec::new() };
    let mut found: Vec<PathBuf> =
        entries.flat_map(|entry| files(&entry.unwrap().path(), ".csv")).collect();
    found.sort();
    found
}

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> =
        paths.filter(|path| path.to_string_lossy().ends_with(ending)).collect();
    found.sort();
    found
}

fn name(path: &Path, ending: &str) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.strip_suffix(ending).unwrap_or(&name).to_owned()
}

/// The numbers of one column; none where there is no such file.
fn column(path: &Path, header: usize, column: usize) -> Vec<f64> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let cells = text.lines().skip(header).filter_map(|line| line.split(',').nth(column));
    cells.filter_map(|cell| cell.trim().parse().ok()).collect()
}

/// xorshift64* (S. Vigna, "An experimental exploration of Marsaglia's xorshift generators,
/// scrambled", 2016): the same series on every machine.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub(crate) fn below(&mut self, n: u64) -> i64 {
        ((u128::from(self.next()) * u128::from(n)) >> 64) as i64
    }

    /// From 0 on, below 1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Two chunks each of a walk of full precision, one in hundredths, one in tenths that holds, and
/// prices of few distinct values.
pub(crate) fn generated() -> Vec<Series> {
    let mut random = Random(1);
    let (mut at, mut cents, mut held) = (50.0, 5000, 205);
    let series = |name: &str, value: &mut dyn FnMut() -> f64| Series {
        group: GENERATED,
        name: format!("generated/{name}"),
        values: (0..2 * crate::CHUNK).map(|_| value()).collect(),
        published: None,
    };
    let full = series("walk", &mut || {
        at += random.unit() * 2.0 - 1.0;
        at
    });
    let mut random = Random(2);
    let hundredths = series("hundredths", &mut || {
        cents = (cents + random.below(201) - 100).clamp(0, 10_000);
        cents as f64 / 100.0
    });
    let mut random = Random(3);
    let sensor = series("sensor", &mut || {
        if random.below(10) == 0 {
            held = 160 + random.below(80);
        }
        held as f64 / 10.0
    });
    let mut random = Random(4);
    let listed: Vec<f64> = (0..200).map(|_| random.unit() * 1000.0).collect();
    let prices = series("prices", &mut || listed[random.below(200) as usize]);
    vec![full, hundredths, sensor, prices]
}

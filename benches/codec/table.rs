//! Tables on a terminal.

/// A table of one column of names and several of figures.
pub(crate) struct Table {
    columns: Vec<(String, usize)>,
    name: usize,
}

impl Table {
    /// Prints the title and the heads of columns; a column is as wide as its head, or 8.
    pub(crate) fn new(title: &str, name: usize, columns: &[&str]) -> Self {
        let columns = columns.iter().map(|head| (head.to_string(), head.len().max(8)));
        let table = Self { columns: columns.collect(), name };
        println!("\n{title}\n");
        let heads: Vec<String> = table.columns.iter().map(|column| column.0.clone()).collect();
        table.line("", &heads);
        table
    }

    /// Prints a line.
    pub(crate) fn line(&self, name: &str, cells: &[String]) {
        let mut text = format!("{name:0$}", self.name);
        for ((_, wide), cell) in self.columns.iter().zip(cells) {
            text.push_str(&format!("  {cell:>wide$}"));
        }
        println!("{}", text.trim_end());
    }
}

/// A figure with so many decimals, a dash for none.
pub(crate) fn figure(number: f64, decimals: usize) -> String {
    if number.is_finite() { format!("{number:.decimals$}") } else { "-".to_owned() }
}

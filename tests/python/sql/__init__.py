"""The query language against DuckDB, Polars, NumPy and values worked out by hand."""

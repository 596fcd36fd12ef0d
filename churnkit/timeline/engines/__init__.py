"""Run timelines on DuckDB or Spark."""

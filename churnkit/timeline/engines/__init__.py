"""Run feature queries on DuckDB or Spark."""

"""Read and write tables in batches."""

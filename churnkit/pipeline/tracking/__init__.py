"""MLflow runs and plots."""

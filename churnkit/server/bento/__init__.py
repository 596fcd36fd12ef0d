"""Package and serve the model with BentoML."""

"""Train, test and register a model."""

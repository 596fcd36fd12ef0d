"""Commands about models: train, evaluate, models, monitor."""

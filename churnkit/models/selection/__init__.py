"""Model selection: candidates, cost estimates, tuning."""

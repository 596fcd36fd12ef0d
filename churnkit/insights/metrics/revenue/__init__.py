"""Revenue metrics: recurring revenue, its forecast, and orders."""

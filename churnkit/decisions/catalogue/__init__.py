"""Actions with their costs, effects, rules and limits."""

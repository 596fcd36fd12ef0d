"""Actions: costs, effects, rules and limits."""

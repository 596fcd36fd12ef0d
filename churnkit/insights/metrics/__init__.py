"""Customer metrics: retention, revenue, activity, satisfaction."""

"""Draft a project from raw tables: keys, times, the churn label, dates and features."""

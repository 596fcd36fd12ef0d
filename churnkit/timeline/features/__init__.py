"""Features of a customer at a date, computed from the rows known before it."""

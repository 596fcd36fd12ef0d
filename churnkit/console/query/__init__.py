"""Search, filters and order of the customer list."""

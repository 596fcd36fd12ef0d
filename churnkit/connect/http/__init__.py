"""HTTP for sources and destinations: rates, retries, authentication."""

"""Commands of sources and destinations."""

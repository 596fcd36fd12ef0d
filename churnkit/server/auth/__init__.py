"""API keys and access control."""

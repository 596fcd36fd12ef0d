"""Request and response handling."""

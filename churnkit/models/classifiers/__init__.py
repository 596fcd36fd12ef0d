"""Binary classifiers."""

"""The model card and its sections."""

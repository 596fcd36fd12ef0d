"""A blend of effect estimates, stacked on doubly robust scores."""

"""Score and explain trees with NumPy or numba."""

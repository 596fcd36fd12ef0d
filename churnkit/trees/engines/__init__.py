"""Score trees with numpy or numba."""

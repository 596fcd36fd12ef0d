"""Allocate a budget and capacities by Lagrangian duality."""

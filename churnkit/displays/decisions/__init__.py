"""Plots of decisions and of what they brought: plans, policies and effects."""

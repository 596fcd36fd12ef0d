"""Discrete-time survival models."""

"""Eligibility of customers for actions."""

"""Commands about customers: score, explain, plan, rank, learn, report."""

"""Commands about a project: demo, init, validate, features, doctor."""

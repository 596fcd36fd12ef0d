"""Purchase models for customers without a contract."""

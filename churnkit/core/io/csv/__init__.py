"""CSV files: encoding, first rows and dialect."""

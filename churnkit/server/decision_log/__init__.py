"""Write decisions to the journal."""

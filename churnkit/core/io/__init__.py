"""Files: formats, atomic writes, locks, change detection."""

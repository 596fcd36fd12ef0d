"""Pages and forms of the console."""

"""Commands that run services or change stored data: serve, console, keys, erase."""

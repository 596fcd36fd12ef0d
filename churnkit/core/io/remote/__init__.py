"""Tables that are not local files: object stores, downloads and standard input."""

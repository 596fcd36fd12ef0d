"""The bundle on disk: manifest, arrays, signatures."""

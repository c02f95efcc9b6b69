"""Problem generators: template families with proofs, and imported sets. Each is a function that yields problems."""

"""What tools/make_vectors.py makes: golden vectors, by chapter of docs/format.md."""

"""Records to bytes and back, pure: one module per chapter of docs/format.md."""

"""Real servers on loopback: one module each, started only when a test asks."""

"""Bytes to bytes, pure: one third-party package per module."""

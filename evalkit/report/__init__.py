"""Versioned reports on disk: written, found again, read and rendered."""

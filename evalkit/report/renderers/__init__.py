"""Formats: each file makes text of the same publication, whatever it was made from."""

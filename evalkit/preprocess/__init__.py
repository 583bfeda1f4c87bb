"""Pre-processing: named steps over a text before it is asked about, or scored."""

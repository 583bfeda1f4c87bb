"""Dataset loaders: a source of rows -> Samples."""

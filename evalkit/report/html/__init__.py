"""The report as one page: a file of its own that needs no server, no network and no other file."""

"""The embedded model: a small real model behind a real OpenAI-compatible server, in a process of its own."""

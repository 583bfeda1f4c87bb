"""Models: what is sent, to whom, and what a valid answer is. The only room that imports `openai`."""

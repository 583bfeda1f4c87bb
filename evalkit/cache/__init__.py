"""The cache: Request.key -> raw body, durable before it is scored."""

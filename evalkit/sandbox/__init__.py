"""Running a model's code: in two sandboxes that see neither the machine nor each other."""

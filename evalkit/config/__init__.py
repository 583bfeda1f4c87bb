"""Settings: schema, composition with Hydra, and the objects made of them. Hydra stays here and in cli/."""

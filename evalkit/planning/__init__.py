"""What a run would take: requests, tokens, cost, time, and the effect it could detect. Nothing is sent."""

"""All connections of one client host to one service: facts about them, and settings inferred from the facts."""

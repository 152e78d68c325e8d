"""From the given search space to a checked plan of numbered trials."""

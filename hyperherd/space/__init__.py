"""The search space: parameters, conditions, and the assignments that follow from them. Standard library only."""

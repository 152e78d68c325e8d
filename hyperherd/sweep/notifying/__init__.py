"""Notifications: what a sweep tells people who do not look at it, and how that is sent without delaying the sweep."""

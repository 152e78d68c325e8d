"""A trial and a collection of trials: settings, objective, filters, commands."""

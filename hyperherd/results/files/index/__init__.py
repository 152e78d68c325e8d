"""A sweep's index: its finished trials as they were last read, column by column, so that few of them are decoded."""

"""What a sweep leaves on the disk (docs/format.md): plain records, written atomically, and the state that follows."""

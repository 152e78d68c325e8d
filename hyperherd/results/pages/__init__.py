"""Output of questions about results: a page for people, a record for programs, from one object."""

"""What the answers to questions about results look like: a page for people, a record for programs, from one object."""

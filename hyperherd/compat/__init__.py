"""What we use of other libraries although they do not promise it: one module per library, one name for each use;
`composition` is a further one for Hydra.

Nothing outside this package, and outside classes that fill in a library's own base class, names a private attribute
of another library. Each docstring names the version it was seen in and why the public API does not suffice.
"""

"""A search that a sampler guides: points are asked for while the sweep runs, and recorded before they are launched."""

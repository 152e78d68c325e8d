"""Callbacks that training code imports; each module needs its framework only when its callback is first named.

`hyperherd_callbacks.lightning.HyperHerdStreamCallback`, `hyperherd_callbacks.transformers.HyperHerdStreamCallback`,
`hyperherd_callbacks.accelerate.HyperHerdTracker`, and for whole jobs `hyperherd_callbacks.hydra.HyperHerdCallback`.
"""

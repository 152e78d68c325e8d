"""Every trial to run composes: by Hydra, or by a shortcut where that is proven to be the same."""

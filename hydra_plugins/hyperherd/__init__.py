"""What Hydra discovers: thin modules, light to import, with no logic of their own."""

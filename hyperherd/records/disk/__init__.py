"""How files are opened, replaced, locked and trusted."""

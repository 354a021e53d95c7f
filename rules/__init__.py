"""The rules, one a module; the registry finds them by name."""

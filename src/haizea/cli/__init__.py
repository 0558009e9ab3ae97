"""The command line: it reads options, calls :mod:`haizea.app`, and prints what comes back."""

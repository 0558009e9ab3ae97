"""How the schema came to be, step by step: each file in ``versions`` leads from one revision to the next."""

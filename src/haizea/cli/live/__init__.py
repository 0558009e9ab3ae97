"""The commands that speak with a running lease manager: a noun, then a verb.

They know the server through :mod:`haizea.client` alone. What programs read goes to standard output, what people are
told to standard error, and nothing that a server sends can steer a terminal.
"""

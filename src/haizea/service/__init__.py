"""What a lease manager offers to people and programs: every verb, once, with who may do it.

All front ends (REST, both families of XML-RPC) call this package and nothing below it.
"""

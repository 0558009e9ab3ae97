# For those whose fingers type make: the same commands as ./dev.
COMMANDS := demo test bench docs format

.PHONY: help test-opennebula $(COMMANDS)
help:
	@./dev help

$(COMMANDS):
	@./dev $@

# Against a real installation, whose address and session (a file) are given: make test-opennebula ONE_XMLRPC=… ONE_AUTH=…
test-opennebula:
	@ONE_XMLRPC="$(ONE_XMLRPC)" ONE_AUTH="$(ONE_AUTH)" ./dev run pytest -ra tests/backends -k "opennebula and real"

# For those whose fingers type make: the same commands as ./dev.
COMMANDS := demo test bench docs format

.PHONY: help chaos test-opennebula $(COMMANDS)
help:
	@./dev help

$(COMMANDS):
	@./dev $@

# A million faults, over as many seeds as that takes; make chaos FAULTS=10000 for fewer.
FAULTS ?= 1000000
chaos:
	@./dev run haizea chaos --hours 2 --until $(FAULTS) --no-shrink

# Against a real installation: make test-opennebula ONE_XMLRPC=http://frontend:2633/RPC2 ONE_AUTH=FILE [ONE_ADMIN_AUTH=FILE]
test-opennebula:
	@ONE_XMLRPC="$(ONE_XMLRPC)" ONE_AUTH="$(ONE_AUTH)" ONE_ADMIN_AUTH="$(ONE_ADMIN_AUTH)" \
	  ./dev run pytest -k real tests/backends/test_contract.py tests/backends/opennebula/test_real.py

# For those whose fingers type make: the same commands as ./dev.
COMMANDS := demo test bench docs format

.PHONY: help $(COMMANDS)
help:
	@./dev help

$(COMMANDS):
	@./dev $@

# What a person types; each target is a script that says what it does. `make help` lists them.
.PHONY: help run stop test lint bench deb rpm images clean

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/\1\t\2/' | expand -t 10

run: ## bring what is missing, build, start k2d and apply examples/gateway
	@tests/testbed/run.sh

stop: ## take the example away and end what `make run` started
	@tests/testbed/stop.sh

test: ## all tests, unit and real
	@tests/run.sh

lint: ## formatting, clippy, licences, scripts
	@tests/lint/run.sh

bench: ## the figures of the budgets, measured on a real Docker
	@tests/bench/run.sh

deb: ## the Debian package, into target/debian
	@debian/build.sh

rpm: ## the RPM package, into target/rpm
	@rpm/build.sh

images: ## the images of examples/gateway, pulled or built from Debian packages
	@tests/testbed/images.sh

clean: ## remove what was built
	cargo clean

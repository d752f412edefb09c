# make demo | test | bench | soak | lint | setup | clean
PYTHON ?= python3
BIN := .venv/bin

# Programs that start from .venv find the packages built into it, with a sourced ROS 2 and without one.
export AMENT_PREFIX_PATH := $(CURDIR)/.venv$(if $(AMENT_PREFIX_PATH),:$(AMENT_PREFIX_PATH))
export LD_LIBRARY_PATH := $(CURDIR)/.venv/lib$(if $(LD_LIBRARY_PATH),:$(LD_LIBRARY_PATH))

# Set in many containers; then each process that starts would compile torch and transformers anew, in twice the time.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test bench soak lint setup clean

demo: setup
	@$(BIN)/distill3d demo

# A pattern may be given: make test K=depth. A file's tests stay together, since some share what is slow to make.
test: setup
	@$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile $(if $(K),-k "$(K)")

# docs/performance.md and the latency and memory table of the README, measured on this machine; it should be idle.
bench: setup
	@$(BIN)/distill3d bench --json docs/results/bench.json --page docs/performance.md && $(BIN)/python scripts/latency_table.py

# What goes wrong on a bad day, many times over. For an hour: make soak SOAK="--minutes 60"
soak: setup
	@PYTHONPATH=scripts $(BIN)/python -m soak $(SOAK)

lint: setup
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

setup:
	@$(PYTHON) scripts/setup_env.py

# What the commands above made; the environment in .venv stays.
clean:
	rm -rf demo_out .demo_out-* build install log .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis *.egg-info
	find distill3d_ros test scripts launch -name __pycache__ -type d -prune -exec rm -rf {} +

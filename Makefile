# On a new machine two commands are enough: make run, make test.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
export PATH := $(PATH):/usr/local/go/bin

# For the program: make run ARGS="drive.mp4 --json"
ARGS ?= --save out/overlay.mp4

# Packages that build and pass without cgo; internal/rules holds the same list.
export PURE := pipeline/msg pipeline/schedule model/... planner/... lanes/ground pipeline/record/container detect/track detect/ap detect/labels sensors/synth sensors/synth/truth sensors/synth/truthview sensors/synth/export sensors/layout sensors/nal sensors/rtsp/stream internal/ordered internal/obs/timeline internal/obs/trace internal/explain internal/misses bench/load bench/machine bench/report bench/stats

# Runs the oracles.
PYTHON ?= /usr/bin/python3

# What the Go tests compare with; each writes its output beside itself.
ORACLES := model/quantize/testdata/oracles/ranges.py testdata/oracles/detect.py testdata/oracles/darknet.py testdata/oracles/lanes.py testdata/oracles/ground.py testdata/oracles/coco_eval.py testdata/oracles/operators.py testdata/oracles/onnx_shapes.py planner/testdata/oracles/planner.py detect/track/testdata/oracles/assign.py testdata/oracles/streaming.py bench/stats/testdata/oracles/stats.py

# Go stamps the version from git, where git can read this folder.
BUILDVCS := $(shell git status >/dev/null 2>&1 && echo auto || echo false)

.PHONY: help run test build setup lint fuzz soak bench coverage cameras deadline overload replays gate-campaign beside-python beside-loop omission forms prune-study cuda-link oracles drives train train-data train-smoke generate clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: setup build ## install what is missing, build, and run the default drive (ARGS="..." for others)
	@mkdir -p out
	bin/dashline run $(ARGS)

test: ## install what is missing and run every check and test
	@scripts/setup --test
	@scripts/check

build: ## build bin/dashline
	@echo "building bin/dashline (the first time takes minutes: OpenCV's bindings are compiled)"
	@go build -buildvcs=$(BUILDVCS) -o bin/dashline ./cmd/dashline

setup: ## install what is missing to build and run
	@scripts/setup

lint: ## check formatting, go vet and staticcheck
	@scripts/check lint

fuzz: ## fuzz every parser for FUZZTIME (default 1m) each
	@scripts/check fuzz

soak: ## run for SOAK (default 10m) and see that nothing leaks and memory stays flat
	go test -tags matprofile ./bench -run Soak -v -soak $(or $(SOAK),10m) -timeout 0

bench: ## measure what a frame costs beside decoding and the networks
	go test ./bench -run '^$$' -bench FrameCost -benchtime 5x

coverage: ## see by simulation that the bench's intervals, tests and verdicts hold what they say (15 minutes)
	go test ./bench/stats -run Simulated -v -draws 10000 -timeout 0

cameras: ## measure what RTSP adds to a frame's age, and decoding four cameras beside ffmpeg (12 minutes)
	go test ./bench -run '^$$' -bench 'RTSPAge|RTSPDecode' -benchtime 1x -v -timeout 0

deadline: build ## run a ladder and each of its rungs in real time under load, and print what was on time and how accurate (REPS runs of each by turns, default 3: 6 minutes)
	scripts/deadline

overload: build ## offer a live run five times its capacity for a minute, and print how old what it gives is (OVERLOAD_SECONDS; needs ffmpeg)
	scripts/overload

replays: build ## replay a recorded run REPLAYS times (default 20) under load on 1, 2 and 8 cores, and compare byte by byte (3 minutes)
	scripts/replays

gate-campaign: build ## measure how often the gate is wrong and what it finds: 400 runs of 55 s (GATE_AA=, GATE_RUNS=, GATE_TIME= for fewer)
	scripts/gate-campaign

beside-python: build ## print frames a second beside a plain Python loop over the same video (5 minutes)
	scripts/beside-python

beside-loop: build ## draw ages beside a plain Python loop on the same camera (2 minutes)
	scripts/beside-loop

omission: build ## draw what open and closed loop see of a pipeline that freezes once a minute (5 minutes)
	scripts/omission

forms: build ## measure forms of yolov3 at 416, and each beside its engine's own loop (CFG=yolov3.cfg; 20 minutes)
	scripts/forms $(CFG)

prune-study: build ## prune two detectors at four strengths, by the method and by baselines, and print what is left (about an hour)
	scripts/prune-study

cuda-link: ## prove that everything compiles and links against OpenCV with CUDA
	@scripts/prove-cuda-link

oracles: ## make the Python oracles' committed output again (PYTHON needs cv2, numpy, onnx, onnxruntime and scipy)
	@$(PYTHON) -c 'import cv2, numpy, onnx, onnxruntime, scipy' 2>/dev/null || { echo "make oracles: error: $(PYTHON) lacks cv2, numpy, onnx, onnxruntime or scipy: install them and run this again, or name another with PYTHON=" >&2; exit 1; }
	@export DASHLINE_ASSETS="$${DASHLINE_ASSETS:-../shared/assets}"; \
	for script in $(ORACLES); do echo "$$script"; $(PYTHON) "$$script"; done

drives: build ## make the drives in testdata/drives again
	@scripts/drives

train-data: build ## render the pictures that networks are trained on (0.9 GB in out/synth)
	bin/dashline synth mixed --export yolo --seeds 2001-2012 --every 60 -o out/synth/val
	bin/dashline synth mixed --export yolo --seeds 1001-1300 --every 60 -o out/synth/train
	bin/dashline synth busy --export yolo --seeds 3001-3120 --every 60 -o out/synth/busy

train: ## train the networks in testdata/networks (hours; goes on where it was stopped)
	@scripts/train

train-smoke: ## see in half a minute that training works (needs python3-torch)
	/usr/bin/python3 training/train.py smoke

generate: ## make generated files again
	go generate ./...

clean: ## remove what was built
	rm -rf bin out .venv

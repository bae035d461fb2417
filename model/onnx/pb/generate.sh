#!/usr/bin/env bash
# Makes onnx.pb.go from onnx.proto; needs protoc.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
plugin=$(mktemp -d)
trap 'rm -rf "$plugin"' EXIT
GOBIN=$plugin go install google.golang.org/protobuf/cmd/protoc-gen-go
PATH=$plugin:$PATH protoc --go_out=. --go_opt=paths=source_relative onnx.proto

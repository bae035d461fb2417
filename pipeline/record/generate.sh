#!/bin/sh
# Writes the Go code of the schemas under proto/ into DIR (default: this folder)
# with protoc and the protoc-gen-go that go.mod pins.
# Usage: generate.sh [DIR]
set -eu
cd "$(dirname "$0")"
out=${1:-.}
plugin=$(mktemp -d)
trap 'rm -rf "$plugin"' EXIT
go build -o "$plugin/" google.golang.org/protobuf/cmd/protoc-gen-go
protoc --plugin="protoc-gen-go=$plugin/protoc-gen-go" --proto_path=proto \
	--go_out="$out" --go_opt=module=dashline/pipeline/record proto/foxglove/*.proto proto/dashline/v1/*.proto

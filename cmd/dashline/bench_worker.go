package main

import (
	"context"
	"os"

	"dashline/bench/worker"
)

// benchWorkerCmd is the other side of the bench, which starts it.
type benchWorkerCmd struct{}

func (benchWorkerCmd) Help() string {
	return `dashline bench starts this for each thing that it measures, and sends it orders on standard input, a line of JSON each; docs/bench.md has the protocol.`
}

// Run follows orders until there are no more. What went wrong was answered.
func (benchWorkerCmd) Run(ctx context.Context, out streams) error {
	return worker.Serve(ctx, os.Stdin, out.Out)
}

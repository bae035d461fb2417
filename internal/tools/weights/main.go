// Command weights writes the random weights of a darknet cfg to standard
// output: for oracles that run a network whose trained weights are not at hand.
// Equal arguments give equal bytes.
//
//	go run ./internal/tools/weights yolov3-tiny.cfg 7 > yolov3-tiny.weights
package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"dashline/model/darknet"
)

func main() {
	if err := weights(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "weights:", err)
		os.Exit(1)
	}
}

func weights(args []string) error {
	if len(args) != 2 {
		return errors.New("give a cfg and a seed: yolov3-tiny.cfg 7")
	}
	cfg, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	seed, err := strconv.ParseUint(args[1], 10, 64)
	if err != nil {
		return err
	}
	return darknet.WriteRandomWeights(os.Stdout, cfg, seed)
}

package main

import (
	"fmt"
	"slices"

	"github.com/alecthomas/kong"
)

// unread refuses those of some flags that the command line names, though they would
// change nothing; why says what they are for.
func unread(k *kong.Context, why string, flags ...string) error {
	for _, p := range k.Path {
		if p.Flag != nil && !p.Resolved && slices.Contains(flags, p.Flag.Name) {
			return &exit{exitUsage, fmt.Errorf("--%s %s: leave it out", p.Flag.Name, why)}
		}
	}
	return nil
}

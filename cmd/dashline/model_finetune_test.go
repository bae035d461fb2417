package main

import (
	"bytes"
	"strings"
	"testing"

	"dashline/internal/finetune"
)

// A teacher that finds nothing is no agreement of 0.
func TestPrintFinetuned(t *testing.T) {
	before, after := .5, .75
	for want, r := range map[string]finetune.Result{
		"t.yaml: agreement with the teacher, AP50 0.750, before 0.500, on what was held out; 64 pictures in 2.0 min\n": {
			Before: finetune.Measured{AP50: &before, Loss: 2}, After: finetune.Measured{AP50: &after, Loss: 1}},
		"t.yaml: loss 1.000, before 2.000, on what was held out, where the teacher finds nothing to agree on: give pictures that show what it knows; 64 pictures in 2.0 min\n": {
			Before: finetune.Measured{Loss: 2}, After: finetune.Measured{Loss: 1}},
	} {
		r.Network, r.Samples, r.Seconds = "t.yaml", 64, 120
		var out bytes.Buffer
		if err := printFinetuned(&out, &r, false); err != nil || out.String() != want {
			t.Errorf("%v: %q, want %q", err, out.String(), want)
		}
	}
}

func TestModelFinetuneRefuses(t *testing.T) {
	for args, want := range map[string]string{ // each is exit code 2
		"half.yaml --data photos -o tuned":                                 "--teacher",
		"half.yaml --labels --data photos -o tuned":                        "--validate",
		"half.yaml --teacher full --data photos --validate more -o tuned":  "without labels",
		"half.yaml --teacher full --data photos --pictures 2 -o tuned":     "--pictures 2",
		"half.yaml --labels --data d --validate v --pictures 300 -o tuned": "--pictures is for pictures without labels",
		"half.yaml --teacher full --data photos --minutes 0 -o tuned":      "--minutes 0",
		"half.yaml --teacher full --data d --minutes 10 --samples 64 -o t": "--minutes is not for --samples, which says how long to train already: leave it out",
		"half.yaml --teacher full --data photos -o tuned.yaml":             "leave out .yaml",
		"half.yaml --teacher full --data photos --samples=-1 -o tuned":     "--samples",
		"half.yaml --teacher full --data photos":                           "--out",
		"half.yaml --teacher full -o tuned":                                "--data",
		"no-such-network --teacher no-such-one --data /nowhere -o tuned":   "no-such-network",
	} {
		var out, errs bytes.Buffer
		code := run(t.Context(), append([]string{"model", "finetune"}, strings.Fields(args)...), streams{&out, &errs})
		if code != exitUsage || !strings.Contains(errs.String(), want) {
			t.Errorf("%s: exit code %d, %q; want %q in it", args, code, errs.String(), want)
		}
	}
}

package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestModelFinetuneRefuses(t *testing.T) {
	for args, want := range map[string]string{ // each is exit code 2
		"half.yaml --data photos -o tuned":                                 "--teacher",
		"half.yaml --labels --data photos -o tuned":                        "--validate",
		"half.yaml --teacher full --data photos --validate more -o tuned":  "without labels",
		"half.yaml --teacher full --data photos --pictures 2 -o tuned":     "--pictures 2",
		"half.yaml --labels --data d --validate v --pictures 300 -o tuned": "--pictures is for pictures without labels",
		"half.yaml --teacher full --data photos --minutes 0 -o tuned":      "--minutes 0",
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

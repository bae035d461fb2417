package main

import (
	"strings"
	"testing"
)

func TestSummarize(t *testing.T) {
	tests := []struct {
		name                    string
		in                      string
		passed, failed, skipped int
		says                    []string // in the output, failures' words among them
		silent                  string   // not in the output
	}{
		{
			name: "a pass, a skip with its reason, a subtest",
			in: `{"Action":"start","Package":"p"}
{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:3: chatter\n"}
{"Action":"pass","Package":"p","Test":"TestA/sub"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestB","Output":"    a_test.go:9: asset x is not there: set it\n"}
{"Action":"output","Package":"p","Test":"TestB","Output":"--- SKIP: TestB (0.00s)\n"}
{"Action":"skip","Package":"p","Test":"TestB"}
{"Action":"pass","Package":"p","Elapsed":0.5}
`,
			passed: 2, skipped: 1,
			says:   []string{"ok   p", "1 x asset x is not there: set it"},
			silent: "chatter",
		},
		{
			name: "a failing test is shown in full",
			in: `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:3: got 1, want 2\n"}
{"Action":"fail","Package":"p","Test":"TestA"}
{"Action":"fail","Package":"p","Elapsed":0.5}
`,
			failed: 1,
			says:   []string{"FAIL p", "got 1, want 2"},
		},
		{
			name: "a package that fails after its tests passed counts as a failure",
			in: `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Output":"3 Mats leaked:\n"}
{"Action":"fail","Package":"p"}
`,
			passed: 1, failed: 1,
			says: []string{"3 Mats leaked"},
		},
		{
			name: "a crash in the middle of a test counts, beside a test that failed before it",
			in: `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"fail","Package":"p","Test":"TestA"}
{"Action":"run","Package":"p","Test":"TestB"}
{"Action":"output","Package":"p","Test":"TestB","Output":"panic: boom\n"}
{"Action":"fail","Package":"p"}
`,
			failed: 2,
			says:   []string{"panic: boom"},
		},
		{
			name: "a package that does not build shows the compiler's words",
			in: `{"ImportPath":"p [p.test]","Action":"build-output","Output":"p/a.go:3:1: undefined: x\n"}
{"ImportPath":"p [p.test]","Action":"build-fail"}
{"Action":"fail","Package":"p","FailedBuild":"p [p.test]"}
`,
			failed: 1,
			says:   []string{"undefined: x"},
		},
		{
			name:   "a run that is cut off is a failure",
			in:     `{"Action":"run","Package":"p","Test":"TestA"}` + "\n",
			failed: 1,
			says:   []string{"ended before this package did"},
		},
		{
			name: "two runs of one package add up",
			in: `{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p"}
`,
			passed: 2,
		},
		{
			name: "what is not JSON is passed on",
			in:   "go: cannot find module\n",
			says: []string{"go: cannot find module"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			sum, err := summarize(strings.NewReader(tt.in), &out)
			if err != nil {
				t.Fatal(err)
			}
			sum.print(&out)
			if sum.passed != tt.passed || sum.failed != tt.failed || sum.skipped != tt.skipped {
				t.Errorf("counted %d passed, %d failed, %d skipped; want %d, %d, %d",
					sum.passed, sum.failed, sum.skipped, tt.passed, tt.failed, tt.skipped)
			}
			for _, s := range tt.says {
				if !strings.Contains(out.String(), s) {
					t.Errorf("the output does not say %q:\n%s", s, &out)
				}
			}
			if tt.silent != "" && strings.Contains(out.String(), tt.silent) {
				t.Errorf("the output says %q:\n%s", tt.silent, &out)
			}
			lines := strings.Split(strings.TrimSpace(out.String()), "\n")
			if last := lines[len(lines)-1]; !strings.HasSuffix(last, "skipped") || !strings.Contains(last, "passed, ") {
				t.Errorf("the last line is %q", last)
			}
		})
	}
}

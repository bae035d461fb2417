package session

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dashline/internal/config"
	"dashline/internal/testkit/tinynet"
	"dashline/model/catalog"
)

// withAccuracy is a network with an accuracy in its description.
func withAccuracy(t *testing.T, name string, ap50 float64, data string) string {
	t.Helper()
	file := tinynet.Detector(t, name, 1)
	n, err := catalog.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	n.Accuracy = catalog.Accuracy{AP50: ap50, Data: data}
	if err := catalog.Save(file, n); err != nil {
		t.Fatal(err)
	}
	return file
}

// A ladder of names takes its accuracies from the descriptions where all are of the
// same data. Otherwise it has none, and says why.
func TestAccuraciesOfRungs(t *testing.T) {
	large, small := withAccuracy(t, "large", .9, "yard"), withAccuracy(t, "small", .7, "yard")
	other, plain := withAccuracy(t, "other", .8, "street"), tinynet.Detector(t, "plain", 1)
	unknown := tinynet.Detector(t, "unknown", 1)
	ladderFile := func(head string) string {
		file := filepath.Join(filepath.Dir(plain), "ladder.yaml")
		text := "network: plain\nmachine: here\nthreads: 1\n" + head +
			"rungs:\n  - {name: made, network: plain.yaml, engine: ort, p50_ms: 5, p99_ms: 6, accuracy: 0.85}\n"
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return file
	}
	for _, tt := range []struct {
		name    string
		ladder  []string
		made    string    // head of the ladder.yaml at the end of the ladder; "": none
		want    []float64 // accuracies
		warning string
	}{
		{"shipped", []string{"dashline-full", "dashline-tiny", "track-only"}, "", []float64{.948, .825, 0}, ""},
		{"the same data", []string{large, small, "track-only"}, "", []float64{.9, .7, 0}, ""},
		{"other data", []string{large, other}, "", []float64{0, 0}, "(large: yard; other: street)"},
		{"one unknown", []string{large, unknown}, "", []float64{0, 0}, "the accuracy of unknown is not known"},
		{"none known", []string{plain, unknown}, "", []float64{0, 0}, ""},
		{"no such network", []string{large, "nonesuch"}, "", []float64{0, 0}, "the accuracy of nonesuch is not known"},
		{"a file alone", nil, "accuracy: agreement50\n", []float64{.85}, ""},
		{"a file and a network", []string{large}, "accuracy: ap50\ndata: yard\n", []float64{.9, .85}, ""},
		{"a file of old and a network", []string{large}, "accuracy: ap50\n", []float64{0, 0}, "cannot be compared"},
		{"agreement and accuracy", []string{large}, "accuracy: agreement50\ndata: yard\n", []float64{0, 0}, "cannot be compared"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := config.Default()
			cfg.Ladder = tt.ladder
			if tt.made != "" {
				cfg.Ladder = append(cfg.Ladder, ladderFile(tt.made))
			}
			got, warning, err := rungsOf(&cfg)
			if err != nil || len(got) != len(tt.want) {
				t.Fatalf("%+v, %v", got, err)
			}
			for i, r := range got {
				if r.facts.Accuracy != tt.want[i] {
					t.Errorf("%s has %v, want %v", r.name, r.facts.Accuracy, tt.want[i])
				}
			}
			if (warning == "") != (tt.warning == "") || !strings.Contains(warning, tt.warning) {
				t.Errorf("warning %q, want %q", warning, tt.warning)
			}
		})
	}
	cfg := config.Default()
	cfg.Ladder = []string{large, small, large}
	if _, _, err := rungsOf(&cfg); err == nil || !strings.Contains(err.Error(), "large stands there twice") {
		t.Errorf("twice: %v", err)
	}
}

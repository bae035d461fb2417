package main

import (
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"dashline/bench/accuracy"
	"dashline/bench/ladder"
	"dashline/internal/netfile"
	"dashline/internal/shrink"
	"dashline/internal/testkit"
	"dashline/internal/testkit/tinynet"
)

func recorded() string {
	return filepath.Join(testkit.Root(), "testdata", "drives", "default.mp4")
}

// pictures is a folder of some pictures of coloured squares, no two alike.
func pictures(t *testing.T, count int) string {
	t.Helper()
	dir := t.TempDir()
	for n := range count {
		img := image.NewRGBA(image.Rect(0, 0, 96, 80))
		for y := range 80 {
			for x := range 96 {
				v := (x/12*(n+3) + y/10*(2*n+5)) * 29
				img.SetRGBA(x, y, color.RGBA{uint8(v), uint8(v / 2), uint8(255 - v), 255})
			}
		}
		testkit.WritePNG(t, filepath.Join(dir, string(rune('a'+n))+".png"), img)
	}
	return dir
}

// done runs the program, which has to succeed, and reads the object that it prints.
func done(t *testing.T, v any, args ...string) {
	t.Helper()
	code, out, errs := say(t, args...)
	if code != exitOK {
		t.Fatalf("%v: %d: %s", args, code, errs)
	}
	if err := json.Unmarshal([]byte(out), v); err != nil {
		t.Fatalf("%v: %v in %q", args, err, out)
	}
}

// agreement is how far one network finds what another does in a folder of pictures.
func agreement(t *testing.T, a, b, images string, more ...string) accuracy.Agreement {
	t.Helper()
	var r struct {
		Network, Engine, Like string
		Pictures, Boxes       int
		AP, AP50              float64
	}
	done(t, &r, append([]string{"model", "verify", a, b, "--images", images, "--resamples", "20", "--json", "-q"}, more...)...)
	return accuracy.Agreement{Network: r.Network, Engine: r.Engine, Like: r.Like, Pictures: r.Pictures, Boxes: r.Boxes, AP: r.AP, AP50: r.AP50}
}

// Converted networks find what the first finds, on whatever engine there is.
func TestModelConvert(t *testing.T) {
	net, images := tinynet.Detector(t, "net", 1), pictures(t, 4)
	for _, c := range []struct {
		name string
		args []string
		like float64 // at least
	}{
		{"plain", nil, .999},
		{"norms", []string{"--keep-norm"}, .999},
		{"opset", []string{"--opset", "11"}, .999},
		{"half", []string{"--fp16"}, .95},
	} {
		base := filepath.Join(t.TempDir(), c.name)
		code, out, errs := say(t, append([]string{"model", "convert", net, "-o", base + ".onnx"}, c.args...)...)
		if code != exitOK || out != base+".yaml\n" {
			t.Errorf("%s: %d, %q: %s", c.name, code, out, errs)
			continue
		}
		n, err := netfile.Detector(base + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		if n.Described.Format != "onnx" || !strings.HasPrefix(n.Described.Summary, "net as ONNX") {
			t.Errorf("%s: %+v", c.name, n.Described)
		}
		if a := agreement(t, net, base+".yaml", images); a.AP < c.like || a.Boxes == 0 || a.Pictures != 4 || a.Like != "net" || a.Network != c.name {
			t.Errorf("%s: %+v", c.name, a)
		}
	}
	base := filepath.Join(t.TempDir(), "raw")
	code, out, errs := say(t, "model", "convert", net, "--raw-heads", "-o", base)
	if code != exitOK || out != base+".onnx\n" {
		t.Errorf("raw heads: %d, %q: %s", code, out, errs)
	}
}

// What verify measures is agreement: all with itself, little with another network.
func TestModelVerify(t *testing.T) {
	net, other, images := tinynet.Detector(t, "net", 1), tinynet.Detector(t, "other", 2), pictures(t, 4)
	if a := agreement(t, net, net, images); a.AP != 1 || a.AP50 != 1 {
		t.Errorf("with itself: %+v", a)
	}
	if a := agreement(t, net, other, images); a.AP > .5 {
		t.Errorf("with another network: %+v", a)
	}
	code, out, errs := say(t, "model", "verify", net, net, "--images", images, "--resamples", "20", "-q")
	if code != exitOK || !strings.Contains(out, "net (") || !strings.Contains(out, "AP50 1.000") || !strings.Contains(out, "4 pictures") {
		t.Errorf("%d: %q, %s", code, out, errs)
	}
}

// Verify says how far outputs are apart, in text and as JSON, and plainly where
// their shapes differ.
func TestModelVerifyOutputs(t *testing.T) {
	net, other, images := tinynet.Detector(t, "net", 1), tinynet.Detector(t, "other", 2), pictures(t, 2)
	text, err := os.ReadFile(other)
	if err != nil {
		t.Fatal(err)
	}
	wide := strings.TrimSuffix(other, ".yaml") + "-wide.yaml"
	if err := os.WriteFile(wide, []byte(strings.Replace(string(text), "width: 64", "width: 96", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ b, says string }{
		{net, `outputs against those of net on ort:\n  \S+, 128x8: differs by at most 0, 0 of its largest value, [0-9.]+\n$`},
		{other, `outputs against those of net on ort:\n  \S+, 128x8: differs by at most [0-9.]+, [0-9.]+ of its largest value, [0-9.]+\n$`},
		{wide, `outputs against those of net on ort:\n  \S+, 128x8: not compared, for other has no other output of this shape\n` +
			`  \S+ of other, 192x8: not compared, for net has no other output of this shape\n$`},
	} {
		code, out, errs := say(t, "model", "verify", net, c.b, "--images", images, "--resamples", "5", "-q")
		if code != exitOK || !regexp.MustCompile(c.says).MatchString(out) {
			t.Errorf("%s: %d, %q, want %s; %s", c.b, code, out, c.says, errs)
		}
	}
	var v accuracy.Verification
	done(t, &v, "model", "verify", net, other, "--images", images, "--resamples", "5", "--json", "-q")
	if len(v.Outputs) != 1 || v.Outputs[0].Difference == nil || v.Outputs[0].Difference.Largest <= 0 || *v.Outputs[0].Difference.Relative <= 0 || v.AP50 < 0 {
		t.Errorf("%+v", v)
	}
}

func TestPrintVerification(t *testing.T) {
	share := .5
	v := accuracy.Verification{Agreement: accuracy.Agreement{Network: "b", Like: "a"}, Outputs: []accuracy.OutputPair{
		{Like: "p", Name: "q", Shape: []int{2, 3}, Difference: &accuracy.OutputDifference{Largest: 1, Scale: 2, Relative: &share, NotFinite: 4}},
		{Like: "zero\x1b", Name: "q", Shape: []int{2}, Difference: &accuracy.OutputDifference{Largest: 1}},
	}}
	var out strings.Builder
	if err := printVerification(&out, &v); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"p, 2x3: differs by at most 1, 0.5 of its largest value, 2; 4 places are left out, which are NaN or infinite\n",
		"zero\ufffd, 2: differs by at most 1, where a gives only zeros\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q, want %q", out.String(), want)
		}
	}
}

// Shares are networks of their own, which find most of what the first finds; given
// the same arguments again, the same comes out.
func TestModelPruneNumerics(t *testing.T) {
	net, images, base := tinynet.Detector(t, "net", 1), pictures(t, 8), filepath.Join(t.TempDir(), "small")
	args := []string{"model", "prune", net, "--flops", "20%,40%", "--calibrate", images, "--multiple", "4", "-o", base, "-q"}
	var made []shrink.Made
	done(t, &made, append(args, "--json")...)
	if len(made) != 2 {
		t.Fatalf("%+v", made)
	}
	var sizes []int64
	for i, m := range made {
		if m.Removed < []float64{.2, .4}[i] || m.Network != base+[]string{"-20.yaml", "-40.yaml"}[i] || m.MACs < 1 || len(m.Groups) == 0 {
			t.Errorf("%+v", m)
		}
		n, err := netfile.Detector(m.Network)
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, n.Bytes)
	}
	if sizes[0] <= sizes[1] {
		t.Errorf("files of %v bytes", sizes)
	}
	if a := agreement(t, net, made[0].Network, images); a.AP50 < .5 {
		t.Errorf("%+v", a)
	}
	before, err := os.ReadFile(base + "-40.weights")
	if err != nil {
		t.Fatal(err)
	}
	code, out, errs := say(t, args...)
	if code != exitOK || !strings.Contains(out, "REMOVED") || !strings.Contains(out, base+"-40.yaml") {
		t.Fatalf("%d: %q, %s", code, out, errs)
	}
	after, err := os.ReadFile(base + "-40.weights")
	if err != nil || string(after) != string(before) {
		t.Errorf("another network the second time: %v", err)
	}
}

// Criteria, allocations and a latency target are taken from the command line.
func TestModelPruneHowNumerics(t *testing.T) {
	net, images := tinynet.Detector(t, "net", 1), pictures(t, 6)
	for _, args := range [][]string{
		{"--flops", "0.2", "--criterion", "magnitude", "--allocation", "uniform", "--no-fit"},
		{"--flops", "20%", "--criterion", "bn-scale", "--calibrate", recorded(), "--pictures", "10"},
		{"--flops", "10%", "--allocation", "latency"},
		{"--latency", "1h"},
	} {
		base := filepath.Join(t.TempDir(), "small")
		var made []shrink.Made
		done(t, &made, append([]string{"model", "prune", net, "--calibrate", images, "--multiple", "4", "-o", base, "--json", "-q"}, args...)...)
		if len(made) != 1 || made[0].Network != base+".yaml" || (made[0].LatencyMS > 0) != (args[0] == "--latency") {
			t.Errorf("%v: %+v", args, made)
		}
	}
}

func TestModelRefusesNumerics(t *testing.T) {
	net, images := tinynet.Detector(t, "net", 1), pictures(t, 6)
	unreadable := t.TempDir()
	if err := os.WriteFile(filepath.Join(unreadable, "a.png"), []byte("no picture"), 0o644); err != nil {
		t.Fatal(err)
	}
	boxed := tinynet.Detector(t, "boxed", 1)
	alter(t, boxed, "resize: stretch", "resize: letterbox")
	out := filepath.Join(t.TempDir(), "out")
	prune := func(more ...string) []string { return append([]string{"prune", net, "-o", out, "-q"}, more...) }
	study := func(more ...string) []string { return append([]string{"ladder", net, "-o", out, "-q"}, more...) }
	for _, c := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"a target too high", prune("--flops", "20%,99.9%", "--calibrate", images), exitBroken, "% of the cost is all that there is to remove"},
		{"a time too short", prune("--latency", "1ns", "--calibrate", images), exitBroken, "1ns was asked for"},
		{"an empty folder", prune("--flops", "20%", "--calibrate", t.TempDir()), exitBroken, "calibration"},
		{"no picture", prune("--flops", "20%", "--calibrate", unreadable), exitBroken, "calibration"},
		{"no folder", prune("--flops", "20%", "--calibrate", images+"/none"), exitBroken, "no such file"},
		{"few pictures", prune("--flops", "20%", "--calibrate", images, "--pictures", "3"), exitBroken, "give at least 5"},
		{"no target", prune("--calibrate", images), exitUsage, "--flops 50% or --latency 10ms"},
		{"two targets", prune("--flops", "20%", "--latency", "1ms", "--calibrate", images), exitUsage, "either"},
		{"falling shares", prune("--flops", "40%,20%", "--calibrate", images), exitUsage, "rising"},
		{"no number", prune("--flops", "much", "--calibrate", images), exitUsage, "--flops much"},
		{"all", prune("--flops", "100%", "--calibrate", images), exitUsage, "100%"},
		{"multiple", prune("--flops", "20%", "--multiple", "0", "--calibrate", images), exitUsage, "--multiple 0"},
		{"time", prune("--latency=-1ms", "--calibrate", images), exitUsage, "above 0"},
		{"criterion", prune("--flops", "20%", "--criterion", "taste", "--calibrate", images), exitUsage, "criterion"},
		{"no pictures", prune("--flops", "20%"), exitUsage, "--calibrate"},
		{"no network", []string{"prune", "nothing-of-this-name", "--flops", "20%", "--calibrate", images}, exitUsage, "nothing-of-this-name"},
		{"too few pictures", prune("--flops", "20%", "--pictures", "0", "--calibrate", images), exitUsage, "--pictures 0"},
		{"convert: opset", []string{"convert", net, "--opset", "3", "-o", out}, exitUsage, "--opset 3: give 11 to"},
		{"convert: norms in half", []string{"convert", net, "--fp16", "--keep-norm", "-o", out}, exitUsage, "--keep-norm"},
		{"convert: no file", []string{"convert", out + ".cfg"}, exitBroken, "no such file"},
		{"quantize: no network", []string{"quantize", "nothing-of-this-name", "--fp16"}, exitUsage, "nothing-of-this-name"},
		{"convert: no network", []string{"convert", "nothing-of-this-name"}, exitUsage, "nothing-of-this-name"},
		{"verify: no network", []string{"verify", net, "nothing-of-this-name", "--images", images}, exitUsage, "nothing-of-this-name"},
		{"verify: no folder", []string{"verify", net, net, "--images", images + "/none", "-q"}, exitBroken, "no such file"},
		{"verify: every", []string{"verify", net, net, "--images", images, "--every", "0"}, exitUsage, "--every 0"},
		{"ladder: nothing to tune", study("--calibrate", images, "--validate", images, "--remove", "0", "--finetune", "9"), exitUsage, "--remove"},
		{"ladder: no network", []string{"ladder", "nothing-of-this-name", "--calibrate", images, "--validate", images}, exitUsage, "nothing-of-this-name"},
		{"ladder: too few pictures", study("--calibrate", images, "--validate", images, "--pictures", "0"), exitUsage, "--pictures 0"},
		{"ladder: rounds", study("--calibrate", images, "--validate", images, "--rounds", "1"), exitUsage, "--rounds"},
		{"ladder: shares", study("--calibrate", images, "--validate", images, "--remove", "120%"), exitUsage, "--remove 120%"},
		{"ladder: deadline", study("--calibrate", images, "--validate", images, "--deadline", "2h"), exitUsage, "--deadline 2h0m0s: give a time above 0, at most 1h"},
		{"ladder: threads", study("--calibrate", images, "--validate", images, "--threads", "1000"), exitUsage, "--threads 1000: give 1 to 256"},
		{"ladder: seed", study("--calibrate", images, "--validate", images, "--finetune", "9", "--seed", "3000000000"), exitUsage, "--seed 3000000000"},
		{"ladder: range", study("--calibrate", images, "--validate", images, "--reduce-range", "some"), exitUsage, "--reduce-range"},
		{"ladder: range of nothing", study("--calibrate", images, "--validate", images, "--no-int8", "--reduce-range", "auto"), exitUsage, "--reduce-range is for int8 forms, which --no-int8 leaves out: leave it out"},
		{"ladder: pictures for nothing", study("--calibrate", images, "--validate", images, "--no-int8", "--remove", "0%", "--pictures", "64"), exitUsage, "--pictures is for int8 forms and pruned networks"},
		{"ladder: nothing to validate on", study("--calibrate", images, "--validate", images+"/none", "--unlabelled"), exitBroken, "no such file"},
		{"ladder: no labels", study("--calibrate", images, "--validate", images, "--no-int8", "--pictures", "6"), exitBroken, "no labels"},
		{"ladder: pictures that cannot be trained on", []string{"ladder", boxed, "-o", out, "-q", "--calibrate", images, "--validate", images, "--unlabelled", "--finetune", "9"}, exitBroken, "plainly stretched"},
		{"ladder: no pictures", study("--calibrate", t.TempDir(), "--validate", images, "--unlabelled"), exitBroken, "calibration"},
	} {
		code, _, errs := say(t, append([]string{"model"}, c.args...)...)
		if code != c.code || !strings.Contains(errs, c.says) {
			t.Errorf("%s: %d, %q; expected %d and %q", c.name, code, errs, c.code, c.says)
		}
		if _, err := os.Stat(out); c.args[0] == "ladder" && err == nil {
			t.Errorf("%s: it is found only after work was done", c.name)
		}
	}
}

// alter replaces a text in a file.
func alter(t *testing.T, file, old, now string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), old) {
		t.Fatalf("%q is not in %s", old, text)
	}
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(text), old, now)), 0o644); err != nil {
		t.Fatal(err)
	}
}

// A study that is stopped while it trains can go on, and says so. What was trained
// then is not trained again.
func TestModelLadderStops(t *testing.T) {
	python := t.TempDir()
	log, stop := filepath.Join(python, "log"), filepath.Join(python, "stop")
	// What is looked for is there; the recipe copies weights, and of the second network
	// it is stopped as long as there is a file.
	script := fmt.Sprintf(`#!/bin/sh
[ "$1" = -c ] && exit 0
weights=$4
echo "$weights" >> %[1]q
[ -e %[2]q ] && case "$weights" in *pruned-30*) exit 3;; esac
while [ "$1" != --out ]; do shift; done
mkdir -p "$2/tuned" && cp "$weights" "$2/tuned/tuned.weights" && echo '{}' > "$2/tuned/run.json"
`, log, stop)
	for file, text := range map[string]string{filepath.Join(python, "python3"): script, stop: ""} {
		if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", python+":"+os.Getenv("PATH"))
	net, images, dir := tinynet.Detector(t, "net", 1), pictures(t, 6), t.TempDir()
	args := []string{"model", "ladder", net, "--calibrate", images, "--validate", images, "--unlabelled", "--remove", "15%,30%",
		"--no-int8", "--finetune", "64", "--rounds", "5", "--threads", "1", "-o", dir, "-q"}
	code, _, errs := say(t, args...)
	if code != exitPartly || !strings.Contains(errs, "stopped") {
		t.Fatalf("%d: %s", code, errs)
	}
	if err := os.Remove(stop); err != nil {
		t.Fatal(err)
	}
	code, out, errs := say(t, args...)
	if code != exitOK || !strings.Contains(out, "pruned-30-tuned-opencv") || !strings.Contains(out, "MEMORY MB") {
		t.Errorf("%d: %s\n%s", code, errs, out)
	}
	var trained []string
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		trained = append(trained, strings.TrimSuffix(filepath.Base(strings.TrimSpace(line)), ".weights"))
	}
	if want := []string{"pruned-15", "pruned-30", "pruned-30"}; !slices.Equal(trained, want) {
		t.Errorf("trained %v, want %v", trained, want)
	}
	weighed(t, dir)
}

// weighed: the study that is in dir has the memory of each row, or says why not.
func weighed(t *testing.T, dir string) {
	t.Helper()
	var s ladder.Study
	text, err := os.ReadFile(filepath.Join(dir, "study.json"))
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil {
		t.Fatal(err)
	}
	rows := s.Rows
	for _, b := range s.Baselines {
		rows = append(rows, b.Row)
	}
	known := 0
	for _, r := range rows {
		if r.Resident > 0 {
			known++
		}
		if (r.Resident > 0) == (s.Unweighed[r.Name] != "") || r.Resident > 1<<30 {
			t.Errorf("memory of %s: %d bytes, %q", r.Name, r.Resident, s.Unweighed[r.Name])
		}
	}
	if known == 0 {
		t.Errorf("the memory of none of %d rows is known: %v", len(rows), s.Unweighed)
	}
	for _, r := range s.Ladder.Rungs {
		t.Logf("%s: %d bytes of memory", r.Name, r.Resident)
	}
}

// A study of a tiny network: all forms are measured, the ladder is written, and the
// deadline is answered.
func TestModelLadderLargeNetworks(t *testing.T) {
	needsORT(t)
	net, images, dir := tinynet.Detector(t, "net", 1), pictures(t, 8), t.TempDir()
	args := []string{"model", "ladder", net, "--calibrate", images, "--validate", images, "--unlabelled", "--remove", "30%", "--rounds", "5",
		"--threads", "1", "-o", dir, "-q"}
	if race {
		args = append(args, "--no-int8")
	}
	var s ladder.Study
	done(t, &s, append(args, "--deadline", "1h", "--json")...)
	names := map[string]bool{}
	for _, r := range s.Rows {
		names[r.Candidate] = true
		if r.Agreement < 0 || r.Agreement > 1 || r.Candidate == "full" && r.Agreement != 1 || r.P50MS <= 0 || r.MACs <= 0 {
			t.Errorf("%+v", r)
		}
	}
	want := []string{"full", "full-fp16", "pruned-30"}
	if !race {
		want = append(want, "full-int8", "pruned-30-int8")
	}
	for _, name := range want {
		if !names[name] {
			t.Errorf("%s is not in the study: %v, refused %v", name, names, s.Refused)
		}
	}
	weighed(t, dir)
	if s.Ladder.Network != "net" {
		t.Errorf("a ladder of %s", s.Ladder.Network)
	}
	if len(s.Ladder.Rungs) == 0 || s.Largest != s.Ladder.Rungs[0].Name {
		t.Errorf("rungs %+v, largest %q", s.Ladder.Rungs, s.Largest)
	}
	if len(s.Baselines) != 2 || s.Baselines[0].Candidate != "sparse-50" || s.Baselines[1].Candidate != "sparse-80" {
		t.Errorf("baselines %+v", s.Baselines)
	}
	if rungs, err := os.ReadFile(filepath.Join(dir, "ladder.yaml")); err != nil || strings.Contains(string(rungs), "sparse") {
		t.Errorf("a baseline is a rung: %s, %v", rungs, err)
	}
	for _, name := range []string{"ladder.yaml", "report.html", "study.json", "full.yaml", "pruned-30.yaml", "darknet/pruned.yaml"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if race {
		return
	}
	code, out, errs := say(t, append(args, "--remove", "0", "--no-int8", "--deadline", "1ns")...)
	if code != exitPartly || !strings.Contains(errs, "no rung takes at most 1ns") || !strings.Contains(out, "RUNG") || strings.Contains(out, "pruned") || strings.Contains(out, "sparse") {
		t.Errorf("%d: %s\n%s", code, errs, out)
	}
}

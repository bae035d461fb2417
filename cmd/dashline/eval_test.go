package main

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dashline/bench/accuracy"
	"dashline/internal/testkit"
	"dashline/model/catalog"
)

// evaluated runs the program and reads the JSON object that it prints.
func evaluated(t *testing.T, v any, args ...string) {
	t.Helper()
	code, out, errs := dashline(context.Background(), append([]string{"eval"}, args...)...)
	if code != exitOK {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	if err := json.Unmarshal([]byte(out), v); err != nil {
		t.Fatalf("%v in %q", err, out)
	}
}

// TestEvalOracle runs each network over the labelled pictures and compares with
// what pycocotools said of the same. Detections were made then on one machine: on
// another, engines round otherwise, so that scores differ in their last digits
// and a box on the edge of an IoU threshold may fall to the other side.
func TestEvalOracle(t *testing.T) {
	data := testkit.Asset(t, "drives/det_coco_val128")
	testkit.UseAssets(t)
	networks := []string{"yolo-fastest-1.1-xl", "yolo-fastest-1.1", "mobilenetv2-yolov3-nano-coco", "mobilenetv2-yolov3-nano-voc", "yolox-nano-416", "nanodet"}
	if testing.Short() || race {
		networks = networks[:1]
		t.Log("one network only: -short, or the race detector slows the rest down")
	}
	const tolerance = .003
	for _, network := range networks {
		f, err := os.Open(filepath.Join(testkit.Root(), "testdata", "oracles", "coco_eval-"+network+".json.gz"))
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		var want struct{ Whole [12]float64 }
		err = json.NewDecoder(z).Decode(&want)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		// The names that programs depend on.
		var got map[string]any
		evaluated(t, &got, "detect", "--network", network, "--data", data, "--engine", "opencv", "--json", "--resamples", "100")
		worst := 0.0
		for i, name := range []string{"ap", "ap50", "ap75", "aps", "apm", "apl", "ar1", "ar10", "ar100"} {
			v, ok := got[name].(float64)
			if d := math.Abs(v - want.Whole[i]); !ok || d > tolerance {
				t.Errorf("%s: %s is %v; pycocotools has %.6f", network, name, got[name], want.Whole[i])
			} else {
				worst = max(worst, d)
			}
		}
		if n, err := catalog.Get(network); err != nil {
			t.Error(err)
		} else if a := n.Accuracy; a.Known() && (a.Data != catalog.DataName([]string{data}, 1) || math.Abs(got["ap50"].(float64)-a.AP50) > tolerance+.0005) {
			t.Errorf("%s is described with %+v; measured is %v on %s", network, a, got["ap50"], catalog.DataName([]string{data}, 1))
		}
		t.Logf("%s: AP %.6f, AP50 %.6f, at most %.1e from pycocotools", network, got["ap"], got["ap50"], worst)
		for _, name := range []string{"ap_interval", "ap50_interval"} {
			in, ok := got[name].([]any)
			if v := got[strings.TrimSuffix(name, "_interval")].(float64); !ok || len(in) != 2 || !(in[0].(float64) < v && v < in[1].(float64)) {
				t.Errorf("%s: %s is %v around %v", network, name, got[name], v)
			}
		}
		classes, ok := got["per_class"].([]any)
		if !ok || len(classes) < 10 || got["images"] != 64. || got["network"] != network || got["engine"] != "opencv" {
			t.Errorf("%s: %v images, %d classes, network %v on %v", network, got["images"], len(classes), got["network"], got["engine"])
		}
	}
}

func TestEvalDetectComparesAndDumps(t *testing.T) {
	data := testkit.Asset(t, "drives/det_kitti13")
	testkit.UseAssets(t)
	file := filepath.Join(t.TempDir(), "found.json")
	args := []string{"detect", "--network", "yolo-fastest-1.1-xl", "--compare", "yolo-fastest-1.1", "--data", data, "--dump", file, "--resamples", "50"}
	var got struct {
		AP      float64
		Compare struct {
			Network    string
			AP         float64
			Difference struct {
				AP         float64
				APInterval []float64 `json:"ap_interval"`
			}
		}
		Left map[string]int `json:"left_out"`
	}
	evaluated(t, &got, append(args, "--json")...)
	d := got.Compare.Difference
	if got.Compare.Network != "yolo-fastest-1.1" || math.Abs(got.AP-got.Compare.AP-d.AP) > 1e-9 || len(d.APInterval) != 2 || d.APInterval[0] > d.AP || d.AP > d.APInterval[1] || got.Left["Misc"] != 1 {
		t.Errorf("%+v", got)
	}
	var rows []map[string]any
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &rows); err != nil || len(rows) < 50 {
		t.Errorf("%d rows are dumped, %v", len(rows), err)
	}
	code, out, _ := dashline(context.Background(), append([]string{"eval"}, args...)...)
	for _, want := range []string{"yolo-fastest-1.1-xl on ort, 6 pictures", "AP50", "car", "less yolo-fastest-1.1", "Misc (1)"} {
		if code != exitOK || !strings.Contains(out, want) {
			t.Errorf("exit code %d, the table lacks %q:\n%s", code, want, out)
		}
	}
}

// A run in virtual time is recorded and measured, and held against a slower one.
func TestEvalStreaming(t *testing.T) {
	drive := filepath.Join(testkit.Root(), "testdata", "drives", "cut-in.mp4")
	dir := t.TempDir()
	run := func(name, service string) string {
		path := filepath.Join(dir, name+".mcap")
		code, _, errs := dashline(t.Context(), "run", drive, "--deterministic", "--policy", "newest", "--service-time", service, "--end", "1200ms", "--no-lanes", "--quiet", "--record", path)
		if code != exitOK {
			t.Fatalf("exit code %d: %s", code, errs)
		}
		return path
	}
	quick, slow := run("quick", "1us"), run("slow", "90ms")
	var got struct {
		Networks           []string
		Streaming, Offline struct {
			AP, AP50   float64
			APInterval []float64 `json:"ap_interval"`
			Images     int
		}
		Staleness struct{ Mean, Max float64 } `json:"staleness_ms"`
		NoOutput  float64                     `json:"no_output"`
		Compare   *struct {
			Images     int
			Difference struct{ AP50 float64 }
		}
	}
	args := []string{"streaming", quick, "--compare", slow, "--resamples", "50"}
	evaluated(t, &got, append(args, "--json")...)
	if got.Streaming.Images != 36 || got.Offline.Images != 36 || math.Abs(got.Staleness.Mean-1000./30) > .01 || math.Abs(got.NoOutput-1./36) > 1e-9 || got.Networks[0] != "dashline-tiny" {
		t.Errorf("quick: %+v; want 36 frames, each with the answer on the one before", got)
	}
	if got.Offline.AP50 < .5 || got.Streaming.AP50 > got.Offline.AP50 || len(got.Streaming.APInterval) != 2 {
		t.Errorf("quick: %+v", got)
	}
	if got.Compare == nil || got.Compare.Images != 36 || got.Compare.Difference.AP50 <= 0 {
		t.Errorf("less slow: %+v", got.Compare)
	}
	evaluated(t, &got, "streaming", slow, "--truth", drive, "--json", "--resamples", "50")
	if got.Offline.Images > 14 || got.Staleness.Mean < 120 || got.Staleness.Max > 220 {
		t.Errorf("slow: %+v; want a frame in three, and answers 100 to 200 ms old", got)
	}
	found := got.Streaming.AP50
	evaluated(t, &got, "streaming", slow, "--forecast", "--json", "--resamples", "50")
	if got.Streaming.AP50 <= found || got.Offline.Images > 14 || got.Staleness.Mean < 120 || got.Staleness.Max > 220 {
		t.Errorf("slow with forecasts: %+v; want AP50 above %.3f of answers as old", got, found)
	}
	code, out, _ := dashline(t.Context(), "eval", "streaming", slow, "--forecast", "--resamples", "50")
	if code != exitOK || !strings.Contains(out, "forecasts of tracks by dashline-tiny") {
		t.Errorf("exit code %d, the table does not say of what:\n%s", code, out)
	}
	code, out, _ = dashline(t.Context(), append([]string{"eval"}, args...)...)
	for _, want := range []string{"detections by dashline-tiny", "streaming  ", "offline  ", "STALENESS, ms", "2.8 %", "at the 36 frames of both", "better"} {
		if code != exitOK || !strings.Contains(out, want) {
			t.Errorf("exit code %d, the table lacks %q:\n%s", code, want, out)
		}
	}
}

func TestEvalLanesOfFiles(t *testing.T) {
	dir := testkit.Asset(t, "drives/lane_metric_reference")
	var tusimple struct{ Accuracy, FP, FN, Images float64 }
	args := []string{"lanes", "--format", "tusimple", "--pred", filepath.Join(dir, "tusimple_pred_200.json"), "--truth", filepath.Join(dir, "tusimple_gt_200.json")}
	evaluated(t, &tusimple, append(args, "--json")...)
	if math.Abs(tusimple.Accuracy-.6392559523809525) > 1e-9 || math.Abs(tusimple.FP-.72) > 1e-9 || math.Abs(tusimple.FN-.6754166666666669) > 1e-9 || tusimple.Images != 200 {
		t.Errorf("%+v", tusimple)
	}
	if code, out, _ := dashline(context.Background(), append([]string{"eval"}, args...)...); code != exitOK || !strings.Contains(out, "accuracy  0.639256") {
		t.Errorf("exit code %d:\n%s", code, out)
	}
	var culane struct {
		TP, FP, FN, F1 float64
		Images         int
	}
	for _, tt := range []struct {
		pred, iou      string
		tp, fp, fn, f1 float64
	}{{"shift12", "0.5", 18, 1, 1, 18. / 19}, {"shift20", "0.3", 18, 1, 1, 18. / 19}, {"drop_last_lane", "0.5", 13, 0, 6, .8125}} {
		args := []string{"lanes", "--format", "culane", "--pred", filepath.Join(dir, "culane", "pred", tt.pred), "--truth", filepath.Join(dir, "culane", "gt"), "--iou", tt.iou}
		evaluated(t, &culane, append(args, "--json")...)
		if culane.TP != tt.tp || culane.FP != tt.fp || culane.FN != tt.fn || math.Abs(culane.F1-tt.f1) > 1e-9 || culane.Images != 6 {
			t.Errorf("%+v: %+v", tt, culane)
		}
	}
	one := filepath.Join(dir, "culane", "gt", "00810.lines.txt")
	evaluated(t, &culane, "lanes", "--format", "culane", "--pred", one, "--truth", one, "--json")
	if culane.F1 != 1 || culane.Images != 1 {
		t.Errorf("one file against itself: %+v", culane)
	}
}

func TestEvalRefuses(t *testing.T) {
	testkit.UseAssets(t)
	dir := t.TempDir()
	bad := filepath.Join(t.TempDir(), "bad.json")
	if err := os.WriteFile(bad, []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	const network = "yolo-fastest-1.1"
	tests := []struct {
		args string
		code int
		want string
	}{
		{"detect --data " + dir, exitUsage, "--network"},
		{"detect --network " + network, exitUsage, "--data"},
		{"detect --network nonet --data " + dir, exitUsage, "nonet"},
		{"detect --network twinlitenet-cv46 --data " + dir, exitUsage, "not detect"},
		{"detect --network " + network + " --engine none --data " + dir, exitUsage, "engine"},
		{"detect --network " + network + " --every 0 --data " + dir, exitUsage, "--every"},
		{"detect --network " + network + " --resamples 0 --data " + dir, exitUsage, "--resamples"},
		{"detect --network " + network + " --compare nonet --data " + dir, exitUsage, "nonet"},
		{"detect --network " + network + " --dump x --data a --data b", exitUsage, "--dump"},
		{"detect --network " + network + " --data " + dir, exitBroken, "no labels"},
		{"streaming", exitUsage, "recording"},
		{"streaming " + bad, exitBroken, "bad.json"},
		{"streaming " + bad + " --resamples 0", exitUsage, "--resamples"},
		{"lanes", exitUsage, "--network"},
		{"lanes --network twinlitenet-cv46", exitUsage, "--data"},
		{"lanes --network twinlitenet-cv46 --format culane", exitUsage, "--network"},
		{"lanes --format culane --pred " + dir, exitUsage, "--truth"},
		{"lanes --format other --pred x --truth y", exitUsage, "tusimple or culane"},
		{"lanes --format culane --size 5 --pred x --truth y", exitUsage, "--size"},
		{"lanes --format culane --size 1x99999 --pred x --truth y", exitUsage, "99999"},
		{"lanes --format culane --iou 1 --pred x --truth y", exitUsage, "--iou"},
		{"lanes --format tusimple --pred " + bad + " --truth " + bad, exitBroken, "line 1"},
		{"lanes --format culane --pred " + dir + " --truth " + dir, exitBroken, "lines.txt"},
		{"lanes --network twinlitenet-cv46 --data " + dir, exitBroken, "drives"},
	}
	for _, tt := range tests {
		code, out, errs := dashline(context.Background(), append([]string{"eval"}, strings.Fields(tt.args)...)...)
		if code != tt.code || !strings.Contains(errs, tt.want) || out != "" {
			t.Errorf("eval %s: exit code %d, %q, %q; want %d and %q", tt.args, code, out, errs, tt.code, tt.want)
		}
	}
}

// docs/eval.md has the words of the help's exit codes and every key of the output.
func TestEvalIsDocumented(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(testkit.Root(), "docs", "eval.md"))
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	for _, help := range []string{evalCmd{}.Help(), evalDetectCmd{}.Help(), evalStreamingCmd{}.Help(), evalLanesCmd{}.Help()} {
		if _, codes, _ := strings.Cut(help, "Exit codes: "); codes == "" || !strings.Contains(page, codes) {
			t.Errorf("docs/eval.md lacks the exit codes %q", codes)
		}
	}
	for _, v := range []any{
		accuracy.Report{Left: map[string]int{}, ByWeather: []accuracy.Weather{{}}}, accuracy.Comparison{}, accuracy.LanesReport{ByWeather: []accuracy.LaneWeather{{}}},
		accuracy.StreamingReport{}, accuracy.StreamingComparison{}, accuracy.Staleness{},
	} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var keys map[string]any
		if err := json.Unmarshal(b, &keys); err != nil {
			t.Fatal(err)
		}
		for key := range keys {
			obvious := key == "network" || key == "engine" || key == "classes" || key == "left_out"
			if !obvious && !strings.Contains(page, "`"+key+"`") {
				t.Errorf("docs/eval.md does not say what %s is", key)
			}
		}
	}
}

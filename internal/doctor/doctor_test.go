package doctor

import (
	"bytes"
	"encoding/json"
	"errors"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"dashline/infer/opencv"
	"dashline/infer/ort"
	"dashline/internal/config"
	"dashline/internal/testkit"
	"dashline/model/catalog"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// usual is the default configuration, on a real drive.
func usual() config.Config {
	cfg := config.Default()
	cfg.Source = filepath.Join(catalog.Assets(), "drives", "videos", "solidWhiteRight.mp4")
	cfg.Detect.Network, cfg.Lanes.Network = "yolo-fastest-1.1-xl", "twinlitenet-cv46"
	return cfg
}

func find(t *testing.T, r Report, name string) Check {
	t.Helper()
	for _, g := range r.Groups {
		for _, c := range g.Checks {
			if c.Name == name {
				return c
			}
		}
	}
	t.Fatalf("the report has no check %q", name)
	return Check{}
}

func TestExamineThisMachine(t *testing.T) {
	assets := filepath.Dir(testkit.Asset(t, "networks"))
	t.Setenv("DASHLINE_ASSETS", assets)
	r := Examine(t.Context(), usual())
	if !r.OK {
		t.Errorf("not OK: %+v", r.Groups)
	}
	if c := find(t, r, "source"); c.State != Good || !strings.Contains(c.Says, "video of 960x540 at 25 frames/s") {
		t.Errorf("source: %+v", c)
	}
	for _, name := range []string{"objects", "lanes"} {
		if c := find(t, r, name); c.State != Good || !strings.Contains(c.Says, " on ") {
			t.Errorf("%s: %+v; want what it runs on", name, c)
		}
	}
	if got, want := r.Libraries["opencv"], opencv.ReadFacts().Version; got != want || got == "" {
		t.Errorf("OpenCV %q, want %q", got, want)
	}
	for _, name := range ffmpegLibraries {
		if r.Libraries[name] == "" {
			t.Errorf("%s is not found", name)
		}
	}
	if r.Machine.Cores != runtime.NumCPU() || r.Machine.Memory == 0 {
		t.Errorf("machine %+v", r.Machine)
	}
	for _, g := range r.Groups {
		for _, c := range g.Checks {
			if (c.State == Good) != (c.Mend == "") {
				t.Errorf("%s: state %s with mend %q", c.Name, c.State, c.Mend)
			}
			if c.Says == "" {
				t.Errorf("%s says nothing", c.Name)
			}
		}
	}
}

func TestExamineWithoutNetworks(t *testing.T) {
	t.Setenv("DASHLINE_ASSETS", t.TempDir())
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv(ort.LibraryVar, "")
	r := Examine(t.Context(), usual())
	if r.OK {
		t.Error("OK without networks")
	}
	for name, want := range map[string]State{"objects": Missing, "lanes": Missing, "source": Missing, "ONNX Runtime": Note, "OpenCV": Good} {
		if c := find(t, r, name); c.State != want {
			t.Errorf("%s: %+v; want %s", name, c, want)
		}
	}
	if _, there := r.Libraries["onnxruntime"]; there {
		t.Error("ONNX Runtime is listed and is not there")
	}
}

func TestNetwork(t *testing.T) {
	c := network("objects", "yolo-fastest-1.1-xxl", config.Runtime{})
	if c.State != Missing || !strings.Contains(c.Says, "yolo-fastest-1.1-xxl") || c.Mend == "" {
		t.Errorf("an unknown name: %+v", c)
	}
}

func TestConfiguredSource(t *testing.T) {
	cfg := config.Default()
	cfg.Source = filepath.Join(t.TempDir(), "gone.mp4")
	r := Examine(t.Context(), cfg)
	if c := find(t, r, "source"); r.OK || c.State != Missing || c.Mend == "" {
		t.Errorf("%+v", c)
	}
}

func TestFFmpegAbsent(t *testing.T) {
	if c := ffmpeg(map[string]string{"libavcodec": "59.37.100"}); c.State != Missing || c.Mend == "" {
		t.Errorf("with libavcodec alone: %+v", c)
	}
}

func TestBackends(t *testing.T) {
	tests := []struct {
		name         string
		facts        opencv.Facts
		cuda, opencl State
	}{
		{"neither", opencv.Facts{CUDA: "built without"}, Note, Note},
		{"built with CUDA, no device", opencv.Facts{CUDABuilt: true, CUDA: "no device"}, Note, Note},
		{"both", opencv.Facts{CUDABuilt: true, CUDADevices: 1, CUDA: "1 device", OpenCL: "GPU", OpenCLUsed: true}, Good, Good},
		{"an OpenCL device that is not used", opencv.Facts{OpenCL: "GPU"}, Note, Note},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := map[string]State{}
			for _, c := range backends(tt.facts) {
				got[c.Name] = c.State
			}
			if got["cuda"] != tt.cuda || got["opencl"] != tt.opencl || got["cpu"] != Good {
				t.Errorf("got %v; want cuda %s, opencl %s, cpu good", got, tt.cuda, tt.opencl)
			}
		})
	}
}

func TestONNXRuntimeAbsent(t *testing.T) {
	if c := onnxRuntime("", errors.New("not installed: run scripts/setup")); c.State != Note || !strings.Contains(c.Says, "scripts/setup") {
		t.Errorf("%+v", c)
	}
}

func TestProcFiles(t *testing.T) {
	if got := field(strings.NewReader("processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nmodel name\t: B\n"), "model name"); got != "Some CPU @ 2 GHz" {
		t.Errorf("model name %q", got)
	}
	total, free := memory(strings.NewReader("MemTotal:       24684092 kB\nMemFree: 1 kB\nMemAvailable:   2048 kB\nHugePages_Total:       0\nBroken: x kB\n"))
	if total != 24684092<<10 || free != 2048<<10 {
		t.Errorf("memory %d and %d", total, free)
	}
	got := librariesIn(strings.NewReader(
		"7f00-7f01 r--p 00000000 08:01 123  /usr/lib/x86_64-linux-gnu/libavcodec.so.59.37.100\n" +
			"7f02-7f03 r--p 00000000 00:00 0\n" +
			"7f04-7f05 r--p 00000000 08:01 124  /usr/lib/libstdc++.so.6.0.30\n" +
			"7f06-7f07 r--p 00000000 08:01 125  /bin/program\n"))
	if len(got) != 2 || got["libavcodec"] != "59.37.100" || got["libstdc++"] != "6.0.30" {
		t.Errorf("libraries %v", got)
	}
}

func TestPrint(t *testing.T) {
	r := Report{Groups: []Group{{"data", []Check{
		{"one", Good, "here", ""}, {"two", Note, "absent", "get it"}, {"three", Missing, "gone", "find it"},
	}}}}
	var b bytes.Buffer
	if err := r.Print(&b, Plain); err != nil {
		t.Fatal(err)
	}
	want := []string{"data", "  ok   one            here", "  note two            absent; get it", "  MISS three          gone; find it", "", "not ready: 1 needed thing(s) missing, see above", ""}
	if got := strings.Split(b.String(), "\n"); !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
	if strings.Contains(b.String(), "\x1b") {
		t.Error("colours in plain text")
	}
	b.Reset()
	if err := (Report{OK: true}).Print(&b, Terminal); err != nil || !strings.Contains(b.String(), "ready: all") {
		t.Errorf("got %q, %v", &b, err)
	}
}

func TestJSON(t *testing.T) {
	text, err := json.Marshal(Report{Machine: Machine{Features: []string{}}, Libraries: map[string]string{"opencv": "4.6.0"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{`"ok":false`, `"cores":`, `"features":[]`, `"opencv":"4.6.0"`, `"groups":`} {
		if !bytes.Contains(text, []byte(key)) {
			t.Errorf("%s is not in %s", key, text)
		}
	}
}

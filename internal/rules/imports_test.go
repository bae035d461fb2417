package rules

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"sort"
	"strings"
	"testing"

	"dashline/internal/testkit"
)

const module = "dashline"

// mayImport is the table of who may import whom inside the module. The longest
// pattern that fits a package is its rule; "x/..." fits x and all below it.
// "!x" forbids what an earlier pattern allows. Tests may import what they like,
// but for cmd.
var mayImport = map[string][]string{
	"cmd/...":     {"..."},
	"bench/...":   {"...", "!cmd/..."},
	"bench/stats": {},

	// The pipeline knows stages only as its own small interfaces.
	"pipeline":          {"pipeline/msg", "pipeline/frame", "pipeline/schedule", "internal/obs"},
	"pipeline/msg":      {},
	"pipeline/schedule": {},
	"pipeline/frame":    {"pipeline/msg"},
	"pipeline/bus/...":  {"pipeline/msg", "pipeline/bus/...", "internal/..."},
	// A recording holds each camera's description, and draws objects on the road.
	"pipeline/record/...":       {"pipeline/msg", "pipeline/bus/...", "!pipeline/bus/embedded", "pipeline/record/...", "lanes/ground"},
	"pipeline/record/container": {},
	"sensors/camera":            {"sensors/synth", "sensors/synth/film", "sensors/nal", "internal/avdec", "internal/avenc"}, // it serves cameras and knows nothing of those who read them
	"sensors/nal":               {"pipeline/msg"},
	"sensors/rtsp/stream":       {"pipeline/msg", "sensors/nal"},
	"sensors/...":               {"pipeline", "pipeline/record", "pipeline/msg", "pipeline/frame", "lanes/ground", "sensors/...", "internal/..."},

	"model/...": {"model/...", "internal/..."},
	"training":  {},
	"infer":     {},
	"infer/...": {"infer/...", "model/...", "pipeline/frame", "internal/..."},

	// detect and lanes share infer and do not know each other.
	"detect/...":            {"detect/...", "infer", "infer/preprocess", "model/...", "pipeline/msg", "pipeline/frame"},
	"detect/track":          {"pipeline/msg"},
	"detect/ap":             {},
	"detect/labels":         {"detect/ap", "sensors/synth/truth", "internal/regular", "internal/strictyaml"},
	"lanes/...":             {"lanes/...", "infer", "infer/preprocess", "model/...", "pipeline/msg", "pipeline/frame"},
	"lanes/ground":          {"pipeline/msg"},
	"lanes/metric":          {"internal/regular"},
	"planner/...":           {"planner/...", "pipeline/msg", "lanes/ground"},
	"internal/...":          {"...", "!cmd/...", "!bench/..."},
	"internal/obs":          {"pipeline/msg"},
	"internal/obs/timeline": {"pipeline/msg"},
	"internal/obs/trace":    {"pipeline/msg", "internal/obs/timeline"},
	"internal/explain":      {"pipeline/msg", "internal/obs/timeline", "internal/plain"},
	"internal/misses":       {"pipeline/msg", "internal/plain"},
	"internal/avdec":        {"pipeline/msg"},
	"internal/avenc":        {},
	"internal/config":       {"...", "!cmd/...", "!bench/...", "!infer/engine", "!sensors/..."},
}

// owners are the packages that may import a library (or what is below it).
var owners = map[string][]string{
	"gocv.io/x/gocv":                  {"pipeline/frame", "detect", "lanes", "lanes/metric", "infer/...", "sensors/...", "bench/...", "cmd/...", "internal/overlay", "internal/doctor", "internal/testkit", "internal/tools/picture"},
	"github.com/yalue/onnxruntime_go": {"infer/ort"},
	"github.com/nats-io":              {"pipeline/bus/...", "cmd/...", "bench/..."},
	"github.com/foxglove/mcap":        {"pipeline/record/..."},
	"gonum.org/v1/plot":               {"bench/report"},
	"google.golang.org/protobuf":      {"model/onnx/...", "internal/testkit/topology", "pipeline/bus/...", "pipeline/record/...", "cmd/..."},
}

// cgo may be here.
var mayCgo = []string{"infer/...", "internal/avdec", "internal/avenc"}

// pure packages build with CGO_ENABLED=0, and so do all that they import. The
// Makefile tests the same list.
var pure = []string{"pipeline/msg", "pipeline/schedule", "model/...", "planner/...", "lanes/ground", "pipeline/record/container", "detect/track", "detect/ap", "detect/labels", "sensors/synth", "sensors/synth/truth", "sensors/synth/truthview", "sensors/synth/export", "sensors/layout", "sensors/nal", "sensors/rtsp/stream", "internal/ordered", "internal/obs/timeline", "internal/obs/trace", "internal/explain", "internal/misses", "bench/load", "bench/machine", "bench/report", "bench/stats"}

// pkg is what `go list -deps -json` says of a package.
type pkg struct {
	ImportPath string
	Standard   bool
	CgoFiles   []string
	Imports    []string
	Deps       []string // all that it imports, directly or not
}

func TestImports(t *testing.T) {
	for _, v := range check(list(t)) {
		t.Error(v)
	}
}

// check returns each broken rule in words, sorted.
func check(all map[string]pkg) []string {
	var broken []string
	for _, p := range all {
		name, ours := inModule(p.ImportPath)
		if !ours {
			continue
		}
		say := func(format string, args ...any) {
			broken = append(broken, name+": "+fmt.Sprintf(format, args...))
		}
		rule, ok := ruleOf(name)
		if !ok {
			say("has no rule: add it to mayImport with what it may import")
		}
		for _, imported := range p.Imports {
			other, internal := inModule(imported)
			if ok && internal && !allowed(mayImport[rule], other) {
				say("imports %s, which the rule of %s does not allow", other, rule)
			}
			if library, taken := owned(imported); taken && !allowed(owners[library], name) {
				say("imports %s, which is for %s", imported, strings.Join(owners[library], ", "))
			}
			if name == "pipeline/msg" && !internal && !all[imported].Standard {
				say("imports %s; it may import the standard library alone", imported)
			}
		}
		if len(p.CgoFiles) > 0 && !allowed(mayCgo, name) {
			say("uses cgo (%s), which is for %s", strings.Join(p.CgoFiles, ", "), strings.Join(mayCgo, ", "))
		}
		if allowed(pure, name) {
			for _, d := range p.Deps {
				if dep := all[d]; len(dep.CgoFiles) > 0 && !dep.Standard {
					say("must build without cgo but imports %s, which uses it", d)
				}
			}
		}
	}
	sort.Strings(broken)
	return broken
}

func inModule(path string) (name string, ok bool) {
	return strings.CutPrefix(path, module+"/")
}

// fits reports whether a pattern fits a package, and how exactly.
func fits(pattern, name string) (length int, ok bool) {
	if pattern == "..." {
		return 0, true
	}
	if tree, found := strings.CutSuffix(pattern, "/..."); found {
		return len(tree), name == tree || strings.HasPrefix(name, tree+"/")
	}
	return len(pattern) + 1, name == pattern // one more: an exact name beats its own tree
}

func ruleOf(name string) (rule string, ok bool) {
	longest := -1
	for pattern := range mayImport {
		if n, fit := fits(pattern, name); fit && n > longest {
			rule, longest = pattern, n
		}
	}
	return rule, longest >= 0
}

func allowed(patterns []string, name string) bool {
	yes := false
	for _, p := range patterns {
		if not, negative := strings.CutPrefix(p, "!"); negative {
			if _, fit := fits(not, name); fit {
				return false
			}
		} else if _, fit := fits(p, name); fit {
			yes = true
		}
	}
	return yes
}

func owned(path string) (library string, ok bool) {
	for library := range owners {
		if path == library || strings.HasPrefix(path, library+"/") {
			return library, true
		}
	}
	return "", false
}

// list asks the go command for the module's packages and all they import.
func list(t *testing.T) map[string]pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Standard,CgoFiles,Imports,Deps", "./...")
	cmd.Dir = testkit.Root()
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1") // else files with cgo are not seen
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, &stderr)
	}
	all := map[string]pkg{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all[p.ImportPath] = p
	}
	if len(all) < 10 {
		t.Fatalf("go list found only %d packages", len(all))
	}
	return all
}

// TestCheck breaks each rule on a made-up module and wants it said.
func TestCheck(t *testing.T) {
	const cgo = "some.where/withcgo"
	tests := []struct {
		name    string
		pkgs    []pkg // the module's prefix is added to those without a dot
		want    string
		nothing bool
	}{
		{
			name: "as designed",
			pkgs: []pkg{
				{ImportPath: "cmd/dashline", Imports: []string{"pipeline", "detect", "lanes", "bench"}},
				{ImportPath: "bench", Imports: []string{"detect", "planner"}},
				{ImportPath: "pipeline", Imports: []string{"pipeline/msg", "internal/obs"}},
				{ImportPath: "detect", Imports: []string{"infer", "pipeline/msg"}},
				{ImportPath: "infer/opencv", Imports: []string{"infer"}, CgoFiles: []string{"cgo.go"}},
			},
			nothing: true,
		},
		{"pipeline imports an implementation", []pkg{{ImportPath: "pipeline", Imports: []string{"detect"}}}, "pipeline: imports detect", false},
		{"detect knows lanes", []pkg{{ImportPath: "detect", Imports: []string{"lanes"}}}, "detect: imports lanes", false},
		{"lanes knows detect", []pkg{{ImportPath: "lanes/ground", Imports: []string{"detect/track"}}}, "lanes/ground: imports detect/track", false},
		{"detect chooses an engine", []pkg{{ImportPath: "detect", Imports: []string{"infer/opencv"}}}, "detect: imports infer/opencv", false},
		{"bench imports cmd", []pkg{{ImportPath: "bench", Imports: []string{"cmd/dashline"}}}, "bench: imports cmd/dashline", false},
		{"msg imports a room", []pkg{{ImportPath: "pipeline/msg", Imports: []string{"internal/obs"}}}, "pipeline/msg: imports internal/obs", false},
		{"msg imports a library", []pkg{{ImportPath: "pipeline/msg", Imports: []string{"some.where/lib"}}}, "the standard library alone", false},
		{"an unknown room", []pkg{{ImportPath: "attic"}}, "attic: has no rule", false},
		{"cgo in the wrong place", []pkg{{ImportPath: "planner", CgoFiles: []string{"fast.go"}}}, "planner: uses cgo (fast.go)", false},
		{"gocv in the wrong place", []pkg{{ImportPath: "planner", Imports: []string{"gocv.io/x/gocv"}}}, "planner: imports gocv.io/x/gocv", false},
		{"below a library that has an owner", []pkg{{ImportPath: "detect", Imports: []string{"github.com/nats-io/nats.go"}}}, "detect: imports github.com/nats-io/nats.go", false},
		{
			name: "cgo reached from a pure package through others",
			pkgs: []pkg{
				{ImportPath: "model/onnx", Imports: []string{"some.where/lib"}, Deps: []string{"some.where/lib", cgo}},
				{ImportPath: cgo, CgoFiles: []string{"c.go"}},
			},
			want: "model/onnx: must build without cgo",
		},
		{
			name: "cgo of the standard library has a way without",
			pkgs: []pkg{
				{ImportPath: "model/onnx", Deps: []string{"net.std"}},
				{ImportPath: "net.std", Standard: true, CgoFiles: []string{"cgo.go"}},
			},
			nothing: true,
		},
	}
	full := func(path string) string {
		if strings.Contains(path, ".") {
			return path
		}
		return module + "/" + path
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			all := map[string]pkg{}
			for _, p := range tt.pkgs {
				p.ImportPath = full(p.ImportPath)
				p.Imports = slices.Clone(p.Imports)
				for i := range p.Imports {
					p.Imports[i] = full(p.Imports[i])
				}
				all[p.ImportPath] = p
			}
			got := check(all)
			if tt.nothing {
				if len(got) != 0 {
					t.Errorf("rules broken: %q; want none", got)
				}
				return
			}
			if len(got) != 1 || !strings.Contains(got[0], tt.want) {
				t.Errorf("rules broken: %q; want one that says %q", got, tt.want)
			}
		})
	}
}

package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"dashline/internal/testkit"
	"dashline/planner"
)

var update = flag.Bool("update", false, "write the committed copies anew")

type command struct {
	File   File `name:"config" short:"c"`
	Config `embed:""`
}

func parser(t testing.TB, cmd *command) *kong.Kong {
	t.Helper()
	k, err := kong.New(cmd, kong.Name("test"), kong.Exit(func(int) {}), kong.Writers(&bytes.Buffer{}, &bytes.Buffer{}))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func flags(t testing.TB, args ...string) (Config, error) {
	t.Helper()
	var cmd command
	_, err := parser(t, &cmd).Parse(args)
	return cmd.Config, err
}

func write(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "dashline.yaml")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// same says whether two configurations are; no cameras are an empty list of them,
// no rungs too.
func same(a, b Config) bool {
	if len(a.Ladder) == 0 && len(b.Ladder) == 0 {
		a.Ladder, b.Ladder = nil, nil
	}
	if len(a.Cameras) == 0 && len(b.Cameras) == 0 {
		a.Cameras, b.Cameras = nil, nil
	}
	return reflect.DeepEqual(a, b)
}

func TestDefaultsOfFlagsAndOfFilesAreTheSame(t *testing.T) {
	byFlags, err := flags(t)
	if err != nil {
		t.Fatal(err)
	}
	byFile, err := Load(write(t, ""))
	if err != nil {
		t.Fatal(err)
	}
	if !same(byFlags, Default()) || !same(byFile, Default()) {
		t.Errorf("by flags %+v\nby file  %+v\ndefault  %+v", byFlags, byFile, Default())
	}
	if d := Default(); d.Deadline != 100*time.Millisecond || d.Detect.Score != .30 || !d.Lanes.Enabled {
		t.Errorf("%+v", d)
	}
	if err := byFile.Validate(); err != nil {
		t.Error(err)
	}
	if Default().Planner != planner.Default() {
		t.Errorf("the default tags give %+v, planner.Default %+v", Default().Planner, planner.Default())
	}
}

func TestEveryKeyIsAFlagAndHasHelp(t *testing.T) {
	var cmd command
	known := map[string]*kong.Flag{}
	for _, f := range parser(t, &cmd).Model.Flags {
		known[f.Name] = f
	}
	c := Default()
	for _, k := range keys(reflect.ValueOf(&c).Elem(), "") {
		f := known[k.flag()]
		if f == nil {
			t.Errorf("key %s has no flag --%s", k.path, k.flag())
			continue
		}
		delete(known, k.flag())
		if k.tag.Get("help") == "" || f.Help == "" {
			t.Errorf("key %s has no help", k.path)
		}
	}
	delete(known, "help")
	delete(known, "config")
	for name := range known {
		t.Errorf("flag --%s is no key", name)
	}
}

func TestFlagBeatsFileBeatsDefault(t *testing.T) {
	file := write(t, `
vehicle: truck
loop: true
deadline: 50ms
detect:
  network: nanodet
  score: 0.5
lanes:
  enabled: false
nats: {port: 4222}
`)
	got, err := flags(t, "--config", file, "--detect-network=yolov3", "--loop=false", "--deadline", "2s")
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Vehicle = "truck"
	want.Loop = false
	want.Deadline = 2 * time.Second
	want.Detect.Network = "yolov3"
	want.Detect.Score = .5
	want.Lanes.Enabled = false
	want.NATS.Port = 4222
	if !same(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got, err = flags(t, "--config", file, "--lanes-enabled"); err != nil || !got.Lanes.Enabled {
		t.Errorf("%v, %v", got.Lanes.Enabled, err)
	}
	if got, err = flags(t, "--no-track"); err != nil || got.Track.Enabled || !got.Lanes.Enabled {
		t.Errorf("--no-track: %v, %v", got.Track.Enabled, err)
	}
	if got, err = flags(t, "--no-lanes"); err != nil || got.Lanes.Enabled {
		t.Errorf("--no-lanes: %v, %v", got.Lanes.Enabled, err)
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"unknown key", "detect:\n  netwrok: a\n", ":2:3: unknown key detect.netwrok: did you mean detect.network?"},
		{"unknown group", "detects:\n  network: a\n", ":1:1: unknown key detects: did you mean detect?"},
		{"wrong type", "frames: many\n", `:1:9: frames: expected a whole number, found the text "many"`},
		{"enum", "policy: each\n", "policy: expected one of auto, every, newest"},
		{"range", "detect: {score: 2}\n", "detect.score: 2 is outside of its range, 0.01 to 0.99"},
		{"subject", "vehicle: a.b\n", `vehicle: "a.b" does not match`},
		{"overlay", "save: seen.png\n", "save: seen.png: the name must end in .mp4"},
		{"planner", "planner: {set_speed: 900}\n", "set_speed is 900 m/s"},
		{"start after end", "start: 9s\nend: 3s\n", "end: 3s is not after start, 9s"},
		{"two clocks", "deterministic: true\nrealtime: true\n", "deterministic, realtime:"},
		{"recording", "record: drive.mp4\n", "record: drive.mp4: the name must end in .mcap"},
		{"two ways to trust", "rtsp: {ca: a.pem, insecure: true}\n", "rtsp.ca, rtsp.insecure:"},
		{"address", "source: rtsp://user:hunter2@/x\n", "source: the address is not a URL"},
		{"at", "source: rtsp://user:12/hunter2@host/x\n", "source: the address has an @ behind its host"},
		{"camera twice", "cameras:\n  - {name: a, source: x.mp4}\n  - {name: b, source: y.mp4}\n  - {name: a, source: z.mp4}\n", `cameras[2].name: "a" is the name of cameras[0] too`},
		{"camera name", "cameras: [{name: a.b, source: x.mp4}]\n", `cameras[0].name: "a.b" does not match`},
		{"no camera name", "cameras: [{source: x.mp4}]\n", `cameras[0].name: "" does not match`},
		{"no camera source", "cameras: [{name: a}]\n", "cameras[0].source: is missing"},
		{"camera address", "cameras: [{name: a, source: 'rtsp://user:hunter2@:1/'}]\n", "cameras[0].source: the address is not a URL"},
		{"camera key", "cameras: [{name: a, sorce: x.mp4}]\n", "unknown key cameras[0].sorce: did you mean cameras[0].source?"},
		{"camera as text", "cameras: ['rtsp://user:hunter2hunter2hunter2hunter2hunter2@host/x']\n", `cameras[0]: expected keys with values, found the text "rtsp://host/x"`},
		{"both", "source: a.mp4\ncameras: [{name: a, source: x.mp4}]\n", "source, cameras: both are set"},
		{"both names", "camera: rear\ncameras: [{name: a, source: x.mp4}]\n", "camera, cameras: both are set"},
		{"both models", "camera_model: a.yaml\ncameras: [{name: a, source: x.mp4}]\n", "camera_model, cameras: each camera has its own"},
		{"camera priority", "cameras: [{name: a, source: x.mp4, priority: 0}]\n", ":1:46: cameras[0].priority: 0 is outside of its range, 0.1 to 10"},
		{"rate", "rate: 1001\n", "rate: 1001 is outside of its range, 0 to 1000"},
		{"negative rate", "rate: -1\n", "rate: -1 is outside"},
		{"lanes", "lanes: {every: 0}\n", "lanes.every: 0 is outside of its range, 1 to 1000"},
		{"layout", "layout: beside\n", "layout: expected one of auto, order, overlap"},
		{"measure", "measure: 61s\n", "measure: 1m1s is outside of its range, 0s to 1m"},
		{"bundles", "misses: {max: 0}\n", "misses.max: 0 is outside"},
		{"size of bundles", "misses: {megabytes: 0}\n", "misses.megabytes: 0 is outside"},
		{"trace", "trace: out.pb\n", "trace: out.pb: the name must end in .json"},
		{"workers", "workers: 65\n", "workers: 65 is outside of its range, 0 to 64"},
		{"workers of the newest", "policy: newest\nworkers: 2\n", "workers: 2 side by side are for the policy every"},
		{"workers without a clock", "deterministic: true\nworkers: 2\n", "workers: 2 side by side are for the policy every"},
		{"scores of tracks", "track: {high: 0.2, low: 0.3}\n", "track.low: 0.3 is more than track.high, 0.2"},
		{"memory of tracks", "track: {lost: 2m}\n", "track.lost: 2m0s is outside"},
		{"twice", "loop: true\nloop: false\n", "key loop is set a second time"},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := write(t, c.text)
			_, loaded := Load(file)
			_, parsed := flags(t, "--config", file)
			for _, err := range []error{loaded, parsed} {
				if err != nil && strings.Contains(err.Error(), "hunter2") {
					t.Errorf("it shows the password: %v", err)
				}
				if err == nil || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got  %v\nwant %s", err, c.want)
				}
			}
		})
	}
	if _, err := Load(filepath.Join(t.TempDir(), "none.yaml")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
	for _, args := range [][]string{{"--detect-score=2"}, {"--detect-score=0"}, {"--detect-score=1"}, {"--detect-nms=0"}, {"--vehicle=a.b"}, {"--policy=each"}, {"--deadline=0s"}, {"--save=seen"}, {"--record=a.mp4"}, {"--start=2s", "--end=1s"}, {"--cameras=left"}, {"--cameras=a.b=x.mp4"}, {"--rate=-1"}, {"--rate=NaN"}, {"--lanes-every=0"}, {"--layout=both"}, {"--workers=2", "--policy=newest"}, {"--trace=out"}, {"--track-low=0.5"}, {"--measure=-1s"}, {"--planner-set-speed=1000"}} {
		if _, err := flags(t, args...); err == nil {
			t.Errorf("%v is accepted", args)
		}
	}
}

// drawn is any valid configuration.
func drawn(t *rapid.T) Config {
	c := Default()
	for _, k := range keys(reflect.ValueOf(&c).Elem(), "") {
		switch {
		case strings.HasPrefix(k.path, "planner."): // few combinations are valid
		case k.value.Type() == reflect.TypeFor[time.Duration]():
			k.value.SetInt(rapid.Int64Range(int64(10*time.Millisecond), int64(10*time.Second)).Draw(t, k.path))
		case k.value.Kind() == reflect.Slice: // below
		case k.value.Kind() == reflect.Bool:
			k.value.SetBool(rapid.Bool().Draw(t, k.path))
		case k.value.CanInt():
			most, err := strconv.ParseInt(k.tag.Get("max"), 10, 64)
			if err != nil {
				most = 256
			}
			k.value.SetInt(rapid.Int64Range(1, min(most, 256)).Draw(t, k.path))
		case k.value.CanFloat():
			k.value.SetFloat(rapid.Float64Range(.01, .99).Draw(t, k.path))
		case k.tag.Get("enum") != "":
			k.value.SetString(rapid.SampledFrom(strings.Split(k.tag.Get("enum"), ",")).Draw(t, k.path))
		case k.tag.Get("pattern") != "":
			k.value.SetString(rapid.StringMatching(k.tag.Get("pattern")).Draw(t, k.path))
		default:
			k.value.SetString(rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"true", "12", "1e3", "null", "~", "- a", "a: b", "#", " ", "yes", "0x1F", ".5", "2020-01-01", "'", "\""})).Draw(t, k.path))
		}
	}
	if c.Save != "" {
		c.Save += ".mp4"
	}
	if c.Record != "" {
		c.Record += ".mcap"
	}
	if c.Trace != "" {
		c.Trace += ".json"
	}
	if c.Policy == "newest" || c.Deterministic {
		c.Workers = min(c.Workers, 1)
	}
	if c.Track.Low > c.Track.High {
		c.Track.Low, c.Track.High = c.Track.High, c.Track.Low
	}
	c.Ladder = ladders.Draw(t, "ladder")
	if len(c.Ladder) > 0 {
		c.Detect.Network = "auto"
	}
	if c.End <= c.Start {
		c.End = 0
	}
	c.Deterministic = c.Deterministic && !c.Realtime
	c.RTSP.Insecure = c.RTSP.Insecure && c.RTSP.CA == ""
	login := rapid.StringMatching(`rtsps?://([a-z]{1,9}(:[a-z0-9%]{0,9})?@)?10\.0\.0\.[1-9]:554/[a-z ]{0,9}`)
	login = login.Filter(func(s string) bool { return checkSource(s) == nil })
	if rapid.Bool().Draw(t, "live") {
		c.Source = login.Draw(t, "address")
	}
	for i := range rapid.IntRange(-3, 4).Draw(t, "cameras") {
		c.Camera, c.Source, c.CameraModel = "front", "", ""
		c.Cameras = append(c.Cameras, Camera{
			Name:        fmt.Sprintf("%s%d", rapid.StringMatching(`[A-Za-z0-9_-]{0,60}`).Draw(t, "name"), i),
			Source:      rapid.OneOf(login, rapid.Just("a: b"), rapid.Just("12")).Draw(t, "source"),
			CameraModel: rapid.SampledFrom([]string{"", "true", "a.yaml"}).Draw(t, "model"),
			Priority:    rapid.Float64Range(.1, 10).Draw(t, "priority"),
		})
	}
	c.Planner.SetSpeed = rapid.Float64Range(1, 70).Draw(t, "planner.set_speed")
	c.Planner.SideMargin = rapid.Float64Range(0, 2).Draw(t, "planner.side_margin")
	return c
}

func TestEffectiveRoundTrip(t *testing.T) {
	schema := compiled(t)
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		given := drawn(rt)
		want, _ := given.WithoutCredentials()
		file := filepath.Join(dir, "c.yaml")
		for name, print := range map[string]func(*Config) ([]byte, error){"yaml": Effective, "json": JSON} {
			data, err := print(&given)
			if err != nil {
				rt.Fatal(err)
			}
			if err := os.WriteFile(file, data, 0o644); err != nil {
				rt.Fatal(err)
			}
			got, err := Load(file)
			if err != nil {
				rt.Fatalf("%s: %v\n%s", name, err, data)
			}
			if !same(got, want) {
				rt.Fatalf("%s:\ngot  %+v\nwant %+v\n%s", name, got, want, data)
			}
			if got, err = flags(t, "--config", file); err != nil || !same(got, want) {
				rt.Fatalf("%s by flags: %v\ngot  %+v\nwant %+v\n%s", name, err, got, want, data)
			}
			if name == "json" {
				value, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
				if err != nil {
					rt.Fatal(err)
				}
				if err := schema.Validate(value); err != nil {
					rt.Fatalf("%v\n%s", err, data)
				}
			}
		}
	})
}

func compiled(t testing.TB) *jsonschema.Schema {
	t.Helper()
	data, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("config.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("config.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSchemaRefuses(t *testing.T) {
	s := compiled(t)
	for text, good := range map[string]bool{
		`{}`:                              true,
		`{"detect":{"network":"yolov3"}}`: true,
		`{"deadline":"1m30s"}`:            true,
		`{"detect":{"netwrok":"a"}}`:      false,
		`{"unknown":1}`:                   false,
		`{"deadline":"soon"}`:             false,
		`{"policy":"each"}`:               false,
		`{"frames":1.5}`:                  false,
		`{"detect":{"score":1.5}}`:        false,
		`{"vehicle":"a.b"}`:               false,
		`{"cameras":[{"name":"left","source":"a.mp4","camera_model":"a.yaml"}]}`: true,
		`{"cameras":[{"name":"a.b","source":"a.mp4"}]}`:                          false,
		`{"cameras":[{"nmae":"a"}]}`:                                             false,
		`{"cameras":["left=a.mp4"]}`:                                             false,
		`{"cameras":[{"name":"a","source":"a.mp4","priority":2}]}`:               true,
		`{"cameras":[{"name":"a","source":"a.mp4","priority":11}]}`:              false,
		`{"ladder":"a,b,track-only"}`:                                            true,
		`{"ladder":["a","b/c.yaml","track-only"]}`:                               true,
		`{"ladder":[]}`:        true,
		`{"ladder":["a","a"]}`: false,
		`{"ladder":["a",""]}`:  false,
		`{"ladder":["a",1]}`:   false,
		`{"ladder":{"a":1}}`:   false,
		`{"layout":"both"}`:    false,
		`{"workers":65}`:       false,
		`{"measure":"0s","rate":12.5,"lanes":{"every":3}}`: true,
	} {
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(value); (err == nil) != good {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestSchemaIsCommitted(t *testing.T) {
	data, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(data) {
		t.Fatal("not JSON")
	}
	committed(t, "docs/config.schema.json", data)
}

// committed holds a file of the repository against what it has to be.
func committed(t *testing.T, name string, want []byte) {
	t.Helper()
	path := filepath.Join(testkit.Root(), filepath.FromSlash(name))
	if *update {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the struct says: go test ./internal/config -update", name)
	}
}

func TestLoadCamera(t *testing.T) {
	const camera = "width: 1280\nheight: 720\nfx: 1156.94\nfy: 1152.14\ncx: 665.95\ncy: 388.79\nk1: -0.2376\nheight_m: 1.4\npitch: 2\n"
	c, err := LoadCamera(write(t, camera))
	if err != nil || c.Fx != 1156.94 || c.K1 != -.2376 || c.Guessed {
		t.Errorf("%+v, %v", c, err)
	}
	for want, text := range map[string]string{
		"unknown key hieght_m: did you mean height_m?": camera + "hieght_m: 1\n",
		"key height_m is missing":                      strings.Replace(camera, "height_m: 1.4\n", "", 1),
		"dashline.yaml: ":                              strings.Replace(camera, "1156.94", "-1", 1),
	} {
		if _, err := LoadCamera(write(t, text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

// Opening a named pipe would wait for its writer.
func TestOnlyRegularFilesAreRead(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe.yaml")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	testkit.Promptly(t, func() {
		if _, err := Load(pipe); err == nil || !strings.Contains(err.Error(), "named pipe") {
			t.Errorf("Load: %v", err)
		}
		if _, err := LoadCamera(pipe); err == nil || !strings.Contains(err.Error(), "named pipe") {
			t.Errorf("LoadCamera: %v", err)
		}
	})
}

func FuzzLoad(f *testing.F) {
	c := Default()
	seed, err := Effective(&c)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add([]byte("detect: {network: a, runtime: b}"))
	f.Add([]byte("ladder: a,b.yaml, track-only\ncameras: [{name: a, source: b, priority: 2}]"))
	f.Add([]byte("ladder:\n  - yolov3\n  - ./a.yaml\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file := write(t, string(data))
		c, err := Load(file)
		if err != nil {
			return
		}
		if _, err := Effective(&c); err != nil {
			t.Fatalf("loaded but not valid: %v", err)
		}
	})
}

// The reference in docs/config.md is written from the struct.
func TestReferenceIsCurrent(t *testing.T) {
	c := Default()
	var table strings.Builder
	table.WriteString("| key | flag | default | meaning |\n|---|---|---|---|\n")
	for _, k := range keys(reflect.ValueOf(&c).Elem(), "") {
		value := text(k.value)
		if value == "" {
			value = `""`
		}
		fmt.Fprintf(&table, "| `%s` | `--%s` | `%s` | %s |\n", k.path, k.flag(), value, help(k.tag))
	}
	doc, err := os.ReadFile(filepath.Join(testkit.Root(), "docs", "config.md"))
	if err != nil {
		t.Fatal(err)
	}
	begin, rest, found := strings.Cut(string(doc), "-update -->\n")
	_, end, closed := strings.Cut(rest, "<!-- end -->")
	if !found || !closed {
		t.Fatal("docs/config.md has lost its marks")
	}
	committed(t, "docs/config.md", []byte(begin+"-update -->\n"+table.String()+"<!-- end -->"+end))
}

// The examples in docs/config.md are read as they stand.
func TestExamplesInTheDocument(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join(testkit.Root(), "docs", "config.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(doc), "```yaml\n")[1:]
	if len(blocks) != 4 {
		t.Fatalf("%d examples", len(blocks))
	}
	for i := range blocks {
		blocks[i], _, _ = strings.Cut(blocks[i], "```")
	}
	if c, err := Load(write(t, blocks[0])); err != nil || c.Vehicle != "truck7" {
		t.Errorf("%+v, %v", c, err)
	}
	if c, err := Load(write(t, blocks[1])); err != nil || len(c.Ladder) != 4 || c.Lanes.Every != 2 {
		t.Errorf("%+v, %v", c, err)
	}
	if c, err := Load(write(t, blocks[2])); err != nil || len(c.Cameras) != 2 || c.Cameras[0].Priority != 2 || c.Cameras[1].Priority != 1 || c.Cameras[0].CameraModel != "front.yaml" || c.RTSP.Transport != "tcp" {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := LoadCamera(write(t, blocks[3])); err != nil {
		t.Error(err)
	}
}

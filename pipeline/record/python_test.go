package record

import (
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"dashline/internal/testkit"
	"dashline/pipeline/record/foxglove"
)

// oracle runs a Python script and reads what it prints.
func oracle(t *testing.T, into any, script string, args ...string) {
	t.Helper()
	args = append([]string{filepath.Join(testkit.Root(), "testdata", "oracles", script)}, args...)
	out, err := exec.Command(testkit.Python(t), args...).Output()
	if err != nil {
		text := ""
		if e, ok := err.(*exec.ExitError); ok {
			text = string(e.Stderr)
		}
		t.Fatalf("%s: %v\n%s", script, err, text)
	}
	if err := json.Unmarshal(out, into); err != nil {
		t.Fatalf("%s: %v: %s", script, err, out)
	}
}

// Python's mcap reads a recording without a warning, by its index and without,
// every checksum is right, and every message is what its schema says.
func TestPythonReadsRecordings(t *testing.T) {
	testkit.Python(t)
	for _, c := range []Compression{Zstd, LZ4, None} {
		t.Run(string(c), func(t *testing.T) {
			const n = 40
			path := recorded(t, Options{Compression: c, ChunkBytes: 64 << 10, Config: "vehicle: car\n"}, n)
			reads(t, path, c)
			if c == Zstd { // and what Recover makes of a file
				out := filepath.Join(t.TempDir(), "mended.mcap")
				if _, err := Recover(path, out, false, nil); err != nil {
					t.Fatal(err)
				}
				reads(t, out, c)
			}
		})
	}
}

func reads(t *testing.T, path string, c Compression) {
	t.Helper()
	var got struct {
		Profile     string
		Chunks      int
		Compression []string
		Messages    uint64
		Topics      map[string]struct {
			Schema string
			Count  uint64
			Stamps []string
		}
		Attachments map[string]string
		Metadata    [][]any
	}
	oracle(t, &got, "mcap_reader.py", path)
	in := open(t, path).Info()
	if got.Profile != "dashline" || got.Chunks != in.Chunks || got.Messages != in.Messages || len(got.Topics) != len(in.Topics) {
		t.Errorf("Python sees profile %q, %d chunks, %d messages, %d topics; it is %+v", got.Profile, got.Chunks, got.Messages, len(got.Topics), in)
	}
	want := string(c)
	if c == None {
		want = ""
	}
	if !slices.Equal(got.Compression, []string{want}) {
		t.Errorf("compression %q, want %q", got.Compression, want)
	}
	for _, topic := range in.Topics {
		if p := got.Topics[topic.Topic]; p.Schema != topic.Schema || p.Count != topic.Messages || p.Count == 0 {
			t.Errorf("%s: Python sees %d of %s, the index says %d of %s", topic.Topic, p.Count, p.Schema, topic.Messages, topic.Schema)
		}
	}
	stamps := got.Topics["/front/video"].Stamps
	for i, at := range stamps[:20] { // none of these is damaged
		if want := fmt.Sprint(front.header(i).CapturedAt.UnixNano()); at != want {
			t.Fatalf("picture %d: stamp %s, want %s", i, at, want)
		}
	}
	if got.Attachments[configName] != "vehicle: car\n" || len(got.Metadata) != 3 {
		t.Errorf("attachments %q, %d metadata", got.Attachments, len(got.Metadata))
	}
}

// The schemas are Foxglove's published ones, by name, number and type of each
// field, and of all that they refer to.
func TestSchemasAreFoxgloves(t *testing.T) {
	testkit.Python(t)
	ours := map[string]map[string]string{}
	var names []string
	for _, m := range []proto.Message{
		&foxglove.CompressedVideo{}, &foxglove.CompressedImage{}, &foxglove.CameraCalibration{}, &foxglove.ImageAnnotations{},
		&foxglove.SceneUpdate{}, &foxglove.FrameTransform{}, &foxglove.Log{},
	} {
		d := m.ProtoReflect().Descriptor()
		names = append(names, string(d.Name()))
		fieldsOf(d, ours)
	}
	var theirs map[string]map[string]string
	oracle(t, &theirs, "foxglove_schemas.py", names...)
	if len(theirs) < 25 {
		t.Fatalf("only %d published schemas", len(theirs))
	}
	for _, name := range slices.Sorted(maps.Keys(theirs)) {
		if !maps.Equal(ours[name], theirs[name]) {
			t.Errorf("%s is\n%v, published is\n%v", name, ours[name], theirs[name])
		}
	}
	for name := range ours {
		if theirs[name] == nil {
			t.Errorf("%s is not published", name)
		}
	}
	// And nothing in the package that was not compared.
	for _, file := range []protoreflect.FileDescriptor{
		foxglove.File_foxglove_common_proto, foxglove.File_foxglove_image_proto, foxglove.File_foxglove_annotations_proto,
		foxglove.File_foxglove_scene_proto, foxglove.File_foxglove_frame_transform_proto, foxglove.File_foxglove_log_proto,
	} {
		for i := range file.Messages().Len() {
			if name := string(file.Messages().Get(i).FullName()); ours[name] == nil {
				t.Errorf("%s is part of nothing that is recorded", name)
			}
		}
	}
}

func fieldsOf(d protoreflect.MessageDescriptor, out map[string]map[string]string) {
	if out[string(d.FullName())] != nil {
		return
	}
	fields := map[string]string{}
	out[string(d.FullName())] = fields
	for i := range d.Fields().Len() {
		f := d.Fields().Get(i)
		text := fmt.Sprint(f.Number(), " ")
		if f.Cardinality() == protoreflect.Repeated {
			text += "repeated "
		}
		text += f.Kind().String()
		if m := f.Message(); m != nil {
			text += " " + string(m.FullName())
			fieldsOf(m, out)
		}
		if e := f.Enum(); e != nil {
			text += " " + string(e.FullName())
			values := map[string]string{}
			for k := range e.Values().Len() {
				v := e.Values().Get(k)
				values[string(v.Name())] = fmt.Sprint(v.Number())
			}
			out[string(e.FullName())] = values
		}
		fields[string(f.Name())] = text
	}
}

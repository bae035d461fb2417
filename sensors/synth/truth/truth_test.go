package truth

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func madeDrive(frames int) Drive {
	return Drive{
		Version: Version, Scenario: "made", Seed: 7, FPS: 30, Frames: frames, Classes: Classes(),
		Scenes: []Scene{{Name: "a", Weather: "clear"}, {Name: "b", Weather: "rain"}},
		Camera: Camera{Width: 640, Height: 360, Fx: 500, Fy: 500, Cx: 319.5, Cy: 179.5, Mount: 1.3, Pitch: 2},
	}
}

func madeFrame(i int) Frame {
	return Frame{
		Index: i, Scene: i % 2, Time: float64(i) / 30, Ego: Ego{X: 1.23456, Yaw: -.000001, Speed: 22.22222, YawRate: .123456789},
		Objects: []Object{{
			ID: 4, Class: "car", Box: [4]float64{10.123, 20, 30.456, 40}, Full: [4]float64{-5.001, 20, 30.456, 44},
			Outline: [][2]float64{{10.1234, 20}, {30, 40}}, Occluded: .12345, Truncated: .5, Ignore: true,
			Center: [3]float64{20.12345, -1, .7}, Size: [3]float64{4.5, 1.8, 1.4}, Yaw: 1.2345678, Velocity: [2]float64{-1.23456, 0},
		}},
		Lanes: []Lane{{Kind: "dashed", Color: "white", Side: -1, Image: [][2]float64{{1.005, 359}}, Ground: [][3]float64{{3.00049, 1.8, 0}}}},
		Drivable: [][2]float64{
			{0, 360}, {640.126, 360}, {320, 180},
		},
	}
}

// written is a file of n frames.
func written(t testing.TB, n int) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := Write(&b, madeDrive(n))
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := w.Frame(madeFrame(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.truth.jsonl", "a.truth.jsonl.gz"} {
		path := filepath.Join(dir, name)
		w, err := Create(path, madeDrive(3))
		if err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			given := madeFrame(i)
			if err := w.Frame(given); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(given, madeFrame(i)) {
				t.Error("writing a frame changes it")
			}
		}
		if err := errors.Join(w.Close(), w.Close()); err != nil {
			t.Fatal(err)
		}
		r, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(r.Drive, madeDrive(3)) {
			t.Errorf("the drive is read as %+v", r.Drive)
		}
		for i := range 3 {
			f, err := r.Next()
			if err != nil {
				t.Fatal(err)
			}
			if want := rounded(madeFrame(i)); !reflect.DeepEqual(f, want) {
				t.Errorf("frame %d is read as\n%+v\nwant\n%+v", i, f, want)
			}
		}
		if _, err := r.Next(); err != io.EOF {
			t.Errorf("after the last frame: %v; want EOF", err)
		}
		if err := errors.Join(r.Close(), r.Close()); err != nil {
			t.Error(err)
		}
	}
	plain, err := os.Stat(filepath.Join(dir, "a.truth.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	packed, err := os.Stat(filepath.Join(dir, "a.truth.jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	if packed.Size() >= plain.Size() {
		t.Errorf("compressed %d bytes, plain %d", packed.Size(), plain.Size())
	}
}

func TestNumbersAreRounded(t *testing.T) {
	f := rounded(madeFrame(1))
	for _, tt := range []struct {
		what      string
		got, want float64
	}{
		{"pixels", f.Objects[0].Box[2], 30.5},
		{"pixels of an outline", f.Objects[0].Outline[0][0], 10.1},
		{"metres", f.Objects[0].Center[0], 20.123},
		{"radians", f.Objects[0].Yaw, 1.23457},
		{"shares", f.Objects[0].Occluded, .123},
		{"seconds", f.Time, .033333},
		{"speed", f.Ego.Speed, 22.222},
	} {
		if tt.got != tt.want {
			t.Errorf("%s are %v; want %v", tt.what, tt.got, tt.want)
		}
	}
	if math.Signbit(f.Ego.Yaw) || f.Ego.Yaw != 0 {
		t.Errorf("a hair below zero is %v; want 0 without a sign", f.Ego.Yaw)
	}
	if text := string(written(t, 2)); strings.Contains(text, "null") || strings.Contains(text, " ") && !strings.Contains(text, `"traffic light"`) {
		t.Errorf("the lines are not compact, or have nulls:\n%s", text)
	}
}

// Each case breaks one thing of a good file.
func TestReadRefuses(t *testing.T) {
	good := string(written(t, 3))
	tests := []struct{ name, old, new, want string }{
		{"empty", good, "", "empty"},
		{"no truth", `"dashline_truth":1`, `"x":1`, "not a file of truth"},
		{"another version", `"dashline_truth":1`, `"dashline_truth":2`, "version 2"},
		{"no scenes", `"scenes":[{"name":"a","weather":"clear"},{"name":"b","weather":"rain"}]`, `"scenes":[]`, "0 scenes"},
		{"no picture", `"width":640`, `"width":0`, "0x360"},
		{"a huge picture", `"width":640`, `"width":640000`, "640000x360"},
		{"too many frames", `"frames":3`, `"frames":1000000000`, "1000000000 frames"},
		{"no rate", `"fps":30`, `"fps":0`, "frames a second"},
		{"cut off", good, good[:strings.LastIndex(good[:len(good)-1], "\n")+1], "cut off"},
		{"cut within a line", good, good[:len(good)-20], "line 4"},
		{"more than said", `"frames":3`, `"frames":2`, "goes on"},
		{"a frame twice", `{"frame":1,`, `{"frame":0,`, "frame 1 is due"},
		{"time runs back", `"t":0.066667`, `"t":0.01`, "time runs"},
		{"a number too large for JSON", `"x":1.235`, `"x":1e999`, "line 2"},
		{"a number too large for a drive", `"x":1.235`, `"x":1e99`, "no number of a drive"},
		{"an unknown class", `"class":"car"`, `"class":"cat"`, `"cat"`},
		{"a box beyond the picture", `"box":[10.1,20,30.5,40]`, `"box":[10.1,20,30.46,361]`, "outside"},
		{"a box the wrong way round", `"box":[10.1,20,30.5,40]`, `"box":[10.1,50,30.5,40]`, "wrong way"},
		{"a share above one", `"occluded":0.123`, `"occluded":1.2`, "shares"},
		{"a scene that is none", `"scene":1`, `"scene":2`, "scene 2"},
		{"points that do not pair", `"ground":[[3,1.8,0]]`, `"ground":[]`, "1 points in the image and 0"},
		{"many lanes", `"lanes":[`, `"lanes":[` + strings.Repeat(`{"kind":"solid"},`, 100), "101 lanes"},
		{"a long line", `"lanes":[`, `"lanes":[` + strings.Repeat(" ", maxLine), "longer than"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := strings.Replace(good, tt.old, tt.new, 1)
			if text == good {
				t.Fatalf("the file has no %s", tt.old)
			}
			_, err := readAll(strings.NewReader(text))
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "dashline synth") {
				t.Errorf("got %v; want an error with %q and the mend", err, tt.want)
			}
		})
	}
}

func readAll(from io.Reader) ([]Frame, error) {
	r, err := Read(from)
	if err != nil {
		return nil, err
	}
	var all []Frame
	for {
		f, err := r.Next()
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		all = append(all, f)
	}
}

func TestWriteRefuses(t *testing.T) {
	var b bytes.Buffer
	if _, err := Write(&b, Drive{}); err == nil || b.Len() > 0 {
		t.Errorf("an empty drive is written: %v, %d bytes", err, b.Len())
	}
	w, err := Write(&b, madeDrive(2))
	if err != nil {
		t.Fatal(err)
	}
	f := madeFrame(0)
	f.Ego.X = math.NaN()
	if err := w.Frame(f); err == nil {
		t.Error("a NaN is written")
	}
	if err := w.Frame(madeFrame(1)); err == nil {
		t.Error("the second frame is written first")
	}
	if err := w.Frame(madeFrame(0)); err != nil {
		t.Error(err)
	}
	if err := w.Close(); err == nil || !strings.Contains(err.Error(), "1 of 2") {
		t.Errorf("a drive that lacks a frame is closed with %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "x.truth.jsonl.gz")
	if err := os.WriteFile(bad, written(t, 1), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{bad, dir, filepath.Join(dir, "none")} {
		if _, err := Open(path); err == nil {
			t.Errorf("%s is opened", path)
		}
	}
	w, err := Create(bad, madeDrive(40))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 40 {
		if err := w.Frame(madeFrame(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(bad)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(bad, whole[:len(whole)-30], 0o644); err != nil {
		t.Fatal(err)
	}
	r, err := Open(bad)
	for err == nil {
		_, err = r.Next()
	}
	if err == io.EOF || !strings.Contains(err.Error(), "compressed file is cut off") {
		t.Errorf("a compressed file that is cut off ends with %v", err)
	}
	if r != nil {
		_ = r.Close()
	}
}

func TestBeside(t *testing.T) {
	dir := t.TempDir()
	video := filepath.Join(dir, "a.b", "drive.mp4")
	if err := os.MkdirAll(filepath.Dir(video), 0o755); err != nil {
		t.Fatal(err)
	}
	if path, ok := Beside(video); ok {
		t.Errorf("found %s", path)
	}
	for _, name := range []string{"drive.truth.jsonl", "drive.truth.jsonl.gz"} {
		want := filepath.Join(filepath.Dir(video), name)
		if err := os.WriteFile(want, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if path, ok := Beside(video); !ok || path != want {
			t.Errorf("found %s, %v; want %s", path, ok, want)
		}
	}
	if _, ok := Beside(filepath.Join(dir, "a.b", "noextension")); ok {
		t.Error("the folder's dot counts as the file's")
	}
}

// FuzzRead: whatever is accepted can be written, and then reads as it was
// written.
func FuzzRead(f *testing.F) {
	good := written(f, 2)
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Add(bytes.ReplaceAll(good, []byte("360"), []byte("-1e5")))
	f.Add(bytes.ReplaceAll(good, []byte(`"objects":[`), []byte(`"objects":[{"class":"cone"},`)))
	f.Fuzz(func(t *testing.T, data []byte) {
		frames, err := readAll(bytes.NewReader(data))
		if err != nil {
			return
		}
		r, err := Read(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		var again bytes.Buffer
		w, err := Write(&again, r.Drive)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		for _, frame := range frames {
			if err := w.Frame(frame); err != nil {
				t.Fatalf("what was read cannot be written: %v", err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		back, err := readAll(&again)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		for i := range back {
			if want := rounded(frames[i]); !reflect.DeepEqual(back[i], want) {
				t.Fatalf("frame %d is\n%+v\nand was written\n%+v", i, back[i], want)
			}
		}
	})
}

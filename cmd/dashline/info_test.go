package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dashline/lanes/ground"
	"dashline/pipeline"
	"dashline/pipeline/msg"
	"dashline/pipeline/record"
)

// A recorder stands beside the bus.
var _ pipeline.Publisher = (*record.Recorder)(nil)

// recording is a small one of one camera.
func recording(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "drive.mcap")
	r, err := record.Create(path, record.Options{Vehicle: "truck7", Version: "1.0", ChunkBytes: 4 << 10, Config: "vehicle: truck7\n"})
	if err != nil {
		t.Fatal(err)
	}
	r.Calibration("front", ground.Default(640, 360))
	for i := range 40 {
		h := msg.Header{Camera: "front", Seq: uint64(i), PTS: time.Duration(i) * time.Second / 30}
		r.Packet("front", &msg.Packet{Codec: msg.H264, Data: make([]byte, 500), PTS: h.PTS, Key: i%10 == 0})
		r.Detections(&msg.Detections{Header: h, Width: 640, Height: 360})
		r.Frame(&msg.FrameReport{Header: h, Outcome: msg.OnTime})
	}
	r.Packet("no name", &msg.Packet{Codec: msg.H264}) // not recorded
	if err := r.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestInfo(t *testing.T) {
	path := recording(t)
	code, out, errs := say(t, "info", path)
	if code != exitOK || errs != "" {
		t.Errorf("%d: %s", code, errs)
	}
	for _, want := range []string{"truck7", "dashline 1.0", "front: 40 packets of h264, 40 frames accounted for, taken to be a dashcam of 640x360, 1.30 m above the road",
		"not recorded  1 packets", "state         finished\n", "dashline.truck7.front.frames      40        dashline.v1.FrameReport", "/front/video                      40        foxglove.CompressedVideo"} {
		if !strings.Contains(out, want) {
			t.Errorf("the text lacks %q:\n%s", want, out)
		}
	}
	if code, out, errs = say(t, "info", path, "--check"); code != exitOK || !strings.Contains(out, "every checksum and the index are right") {
		t.Errorf("check: %d %s\n%s", code, errs, out)
	}
	var in record.Info
	code, out, _ = say(t, "info", path, "--json")
	if err := json.Unmarshal([]byte(out), &in); err != nil || code != exitOK || in.Vehicle != "truck7" || in.Cameras[0].Packets != 40 || in.Dropped["packets"] != 1 || in.Cut != "" {
		t.Errorf("%d %v: %s", code, err, out)
	}
}

func TestInfoAndRecoverOfACutFile(t *testing.T) {
	path := recording(t)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b[:len(b)/4], 0o644); err != nil {
		t.Fatal(err)
	}
	code, out, errs := say(t, "info", path)
	if code != exitPartly || !strings.Contains(out, "no whole record") || !strings.Contains(errs, "the file was not finished: `dashline recover "+path+" -o mended.mcap`") {
		t.Errorf("info: %d %s\n%s", code, errs, out)
	}
	mended := filepath.Join(t.TempDir(), "mended.mcap")
	if code, out, errs = say(t, "recover", path, "-o", mended); code != exitPartly || !strings.Contains(errs, "lost: ") || !strings.Contains(errs, "bytes at the end") || !strings.Contains(out, mended+": ") {
		t.Errorf("recover: %d %s\n%s", code, errs, out)
	}
	if code, out, errs = say(t, "info", mended, "--check"); code != exitOK {
		t.Errorf("mended: %d %s\n%s", code, errs, out)
	}
	for _, args := range [][]string{{"recover", path, "-o", mended}, {"recover", path, "-o", path, "--force"}, {"info", path + "x"}, {"info", "info_test.go"}, {"recover", "info_test.go", "-o", mended, "--force"}} {
		if code, _, errs = say(t, args...); code != exitBroken || errs == "" {
			t.Errorf("%q: %d %s", args, code, errs)
		}
	}
	if code, _, _ = say(t, "recover", path); code != exitUsage {
		t.Errorf("without -o: %d", code)
	}
	var rec record.Recovered
	code, out, _ = say(t, "recover", mended, "-o", mended+"2", "--json")
	if err := json.Unmarshal([]byte(out), &rec); err != nil || code != exitOK || rec.Chunks == 0 {
		t.Errorf("json: %d %v %s", code, err, out)
	}
}

func TestInfoOfADamagedFile(t *testing.T) {
	path := recording(t)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/4] ^= 1
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	code, out, errs := say(t, "info", path, "--check")
	if code != exitPartly || !strings.Contains(out, "problem") || !strings.Contains(errs, "dashline recover") {
		t.Errorf("%d %s\n%s", code, errs, out)
	}
}

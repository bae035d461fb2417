package bus

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dashline/internal/testkit"
	"dashline/pipeline/msg"
)

// A client in another language receives every message and reads every field as
// it was sent.
func TestPythonClientReadsEveryMessage(t *testing.T) {
	py := testkit.Python(t)
	s := builtIn(t)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	const frames = 300
	var out, trouble bytes.Buffer
	cmd := exec.CommandContext(ctx, py, filepath.Join(testkit.Root(), "testdata", "oracles", "nats_client.py"),
		s.URL(), "proto", "--frames", "300")
	cmd.Stdout, cmd.Stderr = &out, &trouble
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := s.WaitSubscribers(ctx, "dashline.car.front.frames", 1); err != nil {
		t.Errorf("the client does not subscribe: %v", err)
		cancel()
	}

	type received struct {
		Seq, Count uint64
		Digest     string
	}
	want := map[string][]received{}
	sent := func(kind Kind, v any) {
		subject, err := Subject("car", "front", kind)
		if err != nil {
			t.Fatal(err)
		}
		want[subject] = append(want[subject], received{seqOf(v), uint64(len(want[subject]) + 1), digestOf(v)})
	}
	p := connect(t, Options{URL: s.URL(), Buffer: 6 * frames})
	boxes := 0
	for i := range frames {
		seq := uint64(3 * i) // the source's gaps are not the bus's
		d, l, plan, f := genDetections().Example(i), genLanes().Example(i), genPlan().Example(i), genFrame().Example(i)
		tracks := genTracks().Example(i)
		for _, h := range []*msg.Header{&d.Header, &tracks.Header, &l.Header, &plan.Header, &f.Header} {
			h.Camera, h.Seq = "front", seq
		}
		boxes += len(d.Items)
		p.Detections(d)
		sent(KindDetections, d)
		p.Tracks(tracks)
		sent(KindTracks, tracks)
		if i%2 == 0 { // lanes every other frame
			p.Lanes(l)
			sent(KindLanes, l)
		}
		p.Plan(plan)
		sent(KindPlan, plan)
		if i%10 == 0 { // the state of a camera now and then
			c := genCamera().Example(i)
			c.Camera = "front"
			p.Camera(c)
			sent(KindCamera, c)
		}
		p.Frame(f)
		sent(KindFrames, f)
	}
	if err := p.Close(ctx); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("the client: %v\n%s", err, trouble.Bytes())
	}
	var got struct {
		Kinds    map[string]int
		Boxes    int
		Problems []string
		Messages map[string][]received
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("%v: %s", err, out.Bytes())
	}
	if len(got.Problems) > 0 {
		t.Errorf("the client met problems: %q", got.Problems)
	}
	if got.Boxes != boxes || boxes == 0 {
		t.Errorf("%d boxes were read, %d sent", got.Boxes, boxes)
	}
	if len(got.Messages) != len(want) {
		t.Errorf("%d subjects were heard, want %d", len(got.Messages), len(want))
	}
	for subject, sent := range want {
		read := got.Messages[subject]
		if len(read) != len(sent) {
			t.Errorf("%s: %d of %d messages were read", subject, len(read), len(sent))
			continue
		}
		for i := range sent {
			if read[i] != sent[i] {
				t.Fatalf("%s: read %+v, sent %+v", subject, read[i], sent[i])
			}
		}
	}
}

// The example in the documentation runs as it is written there.
func TestDocumentedPythonExample(t *testing.T) {
	py := testkit.Python(t)
	dir := t.TempDir()
	if out, err := exec.Command("sh", "-c", "protoc --proto_path=proto --python_out="+dir+" proto/dashline/v1/*.proto").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	script := filepath.Join(dir, "example.py")
	if err := os.WriteFile(script, []byte(codeBlock(t, "python")), 0o644); err != nil {
		t.Fatal(err)
	}
	s := builtIn(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var trouble bytes.Buffer
	cmd := exec.CommandContext(ctx, py, "-u", script, s.URL())
	cmd.Stderr = &trouble
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := s.WaitSubscribers(ctx, "dashline.car.front.detections", 1); err != nil {
		t.Error(err)
		cancel()
	}
	p := connect(t, Options{URL: s.URL()})
	p.Detections(detections(7))
	line, _ := bufio.NewReader(out).ReadString('\n')
	cancel() // it would go on for ever
	_ = cmd.Wait()
	if want := "dashline.car.front.detections 7 [('car', 0.75)]"; strings.TrimSpace(line) != want {
		t.Errorf("printed %q, want %q; it said %s", line, want, trouble.Bytes())
	}
}

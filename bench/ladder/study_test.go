package ladder

import (
	"encoding/json"
	"image"
	"image/color"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"dashline/internal/testkit"
	"dashline/model/catalog"
)

// folder is a YOLO folder of pictures of squares, with no object in its labels.
func folder(t *testing.T, count int) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"images", "labels"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "classes.txt"), []byte("car\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for n := range count {
		img := image.NewGray(image.Rect(0, 0, 96, 80))
		for y := range 80 {
			for x := range 96 {
				img.SetGray(x, y, color.Gray{Y: uint8((x/12*(n+3) + y/10*(2*n+5)) * 29)})
			}
		}
		testkit.WritePNG(t, filepath.Join(dir, "images", string(rune('a'+n))+".png"), img)
	}
	return dir
}

// made are the network and its half, and how to measure them in little time.
func made(t *testing.T, pictures int) ([]Candidate, Options) {
	t.Helper()
	dir, images := t.TempDir(), folder(t, pictures)
	all, err := Make(t.Context(), tiny(t), nil, MakeOptions{Dir: dir, Half: true, Progress: quiet})
	if err != nil {
		t.Fatal(err)
	}
	return all, Options{
		Network: "net", Dir: dir, Engines: []string{"opencv"}, Threads: 1,
		Pictures: []string{filepath.Join(images, "images")}, Validate: []string{images}, Stills: 2, Rounds: 5, Seed: 1,
	}
}

// spoil makes a candidate one that no engine opens.
func spoil(t *testing.T, dir string, c Candidate) {
	t.Helper()
	if err := os.Truncate(filepath.Join(dir, c.Name+".onnx"), 100); err != nil {
		t.Fatal(err)
	}
}

// A candidate that opens nowhere is said to, and the study goes on; the network that
// all are held against has to open.
func TestCandidateThatOpensNowhere(t *testing.T) {
	all, o := made(t, 4)
	o.Validate = o.Pictures
	spoil(t, o.Dir, all[1])
	s, err := Run(t.Context(), all, o)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Rows) != 1 || s.Rows[0].Name != "full-opencv" || len(s.Refused) != 1 || s.Refused["full-fp16 on opencv"] == "" {
		t.Errorf("rows %+v, refused %v", s.Rows, s.Refused)
	}
	slices.Reverse(all)
	if _, err := Run(t.Context(), all, o); err == nil || !strings.Contains(err.Error(), "network full-fp16, which the others are held against") {
		t.Errorf("the first opens nowhere: %v", err)
	}
}

// The ladder is called after the network, on the page, too; times are milliseconds
// in JSON.
func TestStudyNames(t *testing.T) {
	all, o := made(t, 4)
	o.Validate, o.Deadline = o.Pictures, 1500*time.Millisecond
	s, err := Run(t.Context(), all[:1], o)
	if err != nil {
		t.Fatal(err)
	}
	var page strings.Builder
	if err := s.WriteHTML(&page); err != nil {
		t.Fatal(err)
	}
	if s.Ladder.Network != "net" || !strings.Contains(page.String(), "<title>Ladder of net</title>") || !strings.Contains(page.String(), "Deadline 1500 ms") {
		t.Errorf("%q, %.300s", s.Ladder.Network, page.String())
	}
	data, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"deadline_ms":1500,`, `"p50_ms":`, `"p99_ms":`, `"file_bytes":`, `"network":"net"`, `"name":"full-opencv"`} {
		if !strings.Contains(string(data), want) {
			t.Errorf("%s is not in %s", want, data)
		}
	}
	if strings.Contains(string(data), `"P50`) || strings.Contains(string(data), `"Name"`) {
		t.Error(string(data))
	}
}

// An interval of one picture is not known, which is not 0 to 0.
func TestStudyOfOnePicture(t *testing.T) {
	all, o := made(t, 1)
	o.Validate = o.Pictures
	s, err := Run(t.Context(), all[:1], o)
	if err != nil {
		t.Fatal(err)
	}
	var page strings.Builder
	if err := s.WriteHTML(&page); err != nil {
		t.Fatal(err)
	}
	r := s.Rows[0]
	if r.Interval != nil || r.Between() != "-" || r.Accuracy != 1 || !strings.Contains(page.String(), "<td>1.000<td>-<td>") {
		t.Errorf("%+v", r)
	}
}

// Labels without an object make no ladder.
func TestValidationWithoutTruth(t *testing.T) {
	all, o := made(t, 4)
	o.Labelled = true
	if _, err := Run(t.Context(), all[:1], o); err == nil || !strings.Contains(err.Error(), o.Validate[0]) || !strings.Contains(err.Error(), "--unlabelled") {
		t.Error(err)
	}
}

// Each round has an order of its own, the same for the same seed.
func TestOrders(t *testing.T) {
	seen := map[string]bool{}
	all, again := orders(3, 60, 1), orders(3, 60, 1)
	for round, order := range all {
		if again := again[round]; !slices.Equal(order, again) {
			t.Errorf("round %d: %v, then %v", round, order, again)
		}
		seen[string(rune('a'+order[0]))+string(rune('a'+order[1]))] = true
	}
	if len(seen) != 6 {
		t.Errorf("%d of 6 orders in 60 rounds: %v", len(seen), seen)
	}
}

// What was measured with labels goes into the descriptions; agreement does not.
func TestDescribe(t *testing.T) {
	all, o := made(t, 4)
	o.Validate = o.Pictures
	s, err := Run(t.Context(), all, o)
	if err != nil {
		t.Fatal(err)
	}
	accuracies := func() (found []catalog.Accuracy) {
		t.Helper()
		if err := s.Describe(o.Dir); err != nil {
			t.Fatal(err)
		}
		for _, r := range s.Rows {
			n, err := catalog.Resolve(filepath.Join(o.Dir, r.Network))
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, n.Accuracy)
		}
		return found
	}
	for _, a := range accuracies() {
		if a.Known() {
			t.Errorf("agreement is described as %+v", a)
		}
	}
	if s.Ladder.Data != catalog.DataName(o.Validate, 1) {
		t.Errorf("measured on %q", s.Ladder.Data)
	}
	s.Ladder.Accuracy = labelled // as if it had been
	for i := range s.Rows {
		s.Rows[i].Accuracy = .5 + float64(i)/8
	}
	for i, a := range accuracies() {
		if want := (catalog.Accuracy{AP50: s.Rows[i].Accuracy, Data: s.Ladder.Data}); a != want {
			t.Errorf("%s: %+v, want %+v", s.Rows[i].Name, a, want)
		}
	}
}

package ladder

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Each candidate is weighed once on each engine, on its own; what cannot be weighed is
// said with the reason, and nowhere is its memory 0.
func TestMemory(t *testing.T) {
	all, o := made(t, 4)
	all = append(all, all[0], all[0])
	for i, name := range []string{"twin", "baseline"} {
		all[len(all)-2+i].Name = name
	}
	all[len(all)-1].Baseline = true
	all = slices.DeleteFunc(all, func(c Candidate) bool { return c.Name == "full-fp16" }) // which OpenCV does not load
	o.Validate = o.Pictures
	var asked []string
	o.Resident = func(_ context.Context, network, engine string) (int64, error) {
		asked = append(asked, filepath.Base(network)+" "+engine)
		switch len(asked) {
		case 1:
			return 12_345_678, nil
		case 2:
			return 0, errors.New("memory is measured elsewhere")
		}
		return -4096, nil
	}
	s, err := Run(t.Context(), all, o)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"full.yaml opencv", "full.yaml opencv", "full.yaml opencv"}; !slices.Equal(asked, want) {
		t.Errorf("asked for %v", asked)
	}
	if s.Rows[0].Resident != 12_345_678 || s.Rows[1].Resident != 0 || s.Baselines[0].Resident != 0 {
		t.Errorf("%+v, %+v", s.Rows, s.Baselines)
	}
	if len(s.Unweighed) != 2 || s.Unweighed["twin-opencv"] != "memory is measured elsewhere" || s.Unweighed["baseline-opencv"] == "" {
		t.Errorf("%v", s.Unweighed)
	}
	data, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if text := string(data); !strings.Contains(text, `"resident_bytes":12345678`) || strings.Contains(text, `"resident_bytes":0`) || !strings.Contains(text, `"memory_not_measured":{`) {
		t.Error(text)
	}
	var page strings.Builder
	if err := s.WriteHTML(&page); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"<th>memory, MB", "<td>12.35<td>", "Accuracy and memory", "Memory that is not known", "<tr><td>twin-opencv<td class=\"how\">memory is measured elsewhere"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the page does not hold %q", want)
		}
	}
	if n := strings.Count(page.String(), "<td>-<td>"); n < 2 {
		t.Errorf("memory that is not known has a dash %d times", n)
	}
}

// A study that is stopped while memory is measured stops, though not being able to
// measure it does not end one.
func TestMemoryStops(t *testing.T) {
	all, o := made(t, 4)
	ctx, stop := context.WithCancel(t.Context())
	o.Resident = func(ctx context.Context, _, _ string) (int64, error) {
		stop()
		return 0, ctx.Err()
	}
	if _, err := Run(ctx, all[:1], o); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestMB(t *testing.T) {
	for bytes, want := range map[int64]string{0: "-", 1: "0.00", 12_345_678: "12.35"} {
		if got := MB(bytes); got != want {
			t.Errorf("%d: %s, want %s", bytes, got, want)
		}
	}
}

package opencv

import (
	"strings"
	"testing"

	"dashline/infer"
	"dashline/infer/internal/tiny"
)

func TestProfileHasEveryLayer(t *testing.T) {
	m := Model{Name: "tiny", Format: "darknet", Graph: []byte(tiny.Cfg), Weights: tiny.Weights(), Width: 32, Height: 32}
	steps, err := Profile(m, infer.Options{Threads: 1}, 2)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range steps {
		names = append(names, s.Name)
		if s.Kind == "" || s.Time < 0 {
			t.Errorf("%+v", s)
		}
		if s.Kind == "Convolution" && s.Time == 0 {
			t.Errorf("%s takes no time", s.Name)
		}
	}
	if all := strings.Join(names, " "); !strings.HasPrefix(all, "conv_0 bn_0 ") || !strings.Contains(all, " yolo_5 ") {
		t.Error(all)
	}
	m.Weights = m.Weights[:100]
	if _, err := Profile(m, infer.Options{}, 1); err == nil {
		t.Error("damaged weights are profiled")
	}
}

package modelcmd

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dashline/model/catalog"
)

// What is asked for is memory alone, of the description's files; no memory and no
// answer are no measurement.
func TestResident(t *testing.T) {
	question := filepath.Join(t.TempDir(), "question")
	ask := func(d *catalog.Network, then string) (int64, error) {
		return Resident(t.Context(), d, OpenCV, MeasureOptions{Program: []string{"sh", "-c", "cat > " + question + "; " + then}, Threads: 3})
	}
	d := &catalog.Network{Name: "net", Format: "darknet", Dir: "/networks", Files: []catalog.File{{Role: "config", Path: "a.cfg"}, {Role: "weights", Path: "b.weights"}}}
	d.Input.Width, d.Input.Height = 64, 32
	if got, err := ask(d, `echo '{"Resident": 4096}'`); err != nil || got != 4096 {
		t.Errorf("%d, %v", got, err)
	}
	text, err := os.ReadFile(question)
	if err != nil {
		t.Fatal(err)
	}
	var q request
	want := request{Engine: OpenCV, Name: "net", Format: "darknet", Graph: "/networks/a.cfg", Weights: "/networks/b.weights", Width: 64, Height: 32, Threads: 3, MemoryOnly: true}
	if err := json.Unmarshal(text, &q); err != nil || q != want {
		t.Errorf("asked %+v, %v", q, err)
	}
	d.Format, d.Files = "onnx", []catalog.File{{Role: "model", Path: "c.onnx"}}
	for then, says := range map[string]string{
		`echo '{"Resident": 0}'`:               "no more with the network than without",
		`echo '{"Resident": -8}'`:              "no more with the network than without",
		`echo memory is for Linux >&2; exit 1`: "measure memory on opencv: exit status 1: memory is for Linux",
		`echo '{"Resident": 1000'`:             "the measuring process said",
		`grep -q /networks/c.onnx ` + question: "the measuring process said", // the right file, no answer
	} {
		if got, err := ask(d, then); got != 0 || err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %d, %v", then, got, err)
		}
	}
}

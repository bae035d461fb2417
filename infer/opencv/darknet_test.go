package opencv

import (
	"testing"

	"dashline/infer"
	"dashline/infer/internal/infertest"
)

func TestWithScoreFloor(t *testing.T) {
	for _, tc := range []struct{ name, cfg, want string }{
		{"none named", "[net]\nwidth=32\n[yolo]\nmask=0\n", "[net]\nwidth=32\n[yolo]\nthresh=0.01\nmask=0\n"},
		{"named", "[yolo]\nmask=0\n thresh = .7\nnum=6\n", "[yolo]\nthresh=0.01\nmask=0\nnum=6\n"},
		{"two heads", "[yolo]\nthresh=.5\n[convolutional]\nthresh=3\n[region]\nthresh=.5", "[yolo]\nthresh=0.01\n[convolutional]\nthresh=3\n[region]\nthresh=0.01\n"},
		{"another key", "[yolo]\nignore_thresh=.7\ntruth_thresh=1\n", "[yolo]\nthresh=0.01\nignore_thresh=.7\ntruth_thresh=1\n"},
		{"comment and returns", "[yolo]\r\n#thresh=1\r\nthresh=.2\r\nnum=1\r\n", "[yolo]\r\nthresh=0.01\n#thresh=1\r\nnum=1\r\n"},
		{"last line", "[yolo]", "[yolo]\nthresh=0.01\n"},
		{"no head", "[net]\nthresh=1\n", "[net]\nthresh=1\n"},
		{"empty", "", ""},
	} {
		if got := string(withScoreFloor([]byte(tc.cfg), 0.01)); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
	if got := string(withScoreFloor([]byte("[yolo]\n"), 1e-12)); got != "[yolo]\nthresh=0.000000000001\n" {
		t.Errorf("%q: OpenCV and darknet must read the number", got)
	}
}

// classScores counts the class columns of every head that are not zero: those
// at most limit, and the others.
func classScores(t *testing.T, m Model, o infer.Options, limit float32) (low, high int) {
	t.Helper()
	n := mustOpen(t, m, o)
	fill(n.Input(), 1)
	for i, head := range infertest.Forward(t, n) {
		columns := n.Info().Outputs[i].Shape[1]
		for k, v := range head {
			switch {
			case k%columns < 5 || v == 0:
			case v <= limit:
				low++
			default:
				high++
			}
		}
	}
	return low, high
}

// OpenCV's own floor is 0.2; another one is what the heads then use.
func TestScoreFloorReachesTheHeads(t *testing.T) {
	m := realModel(t, "yolo-fastest-1.1.cfg")
	low, _ := classScores(t, m, infer.Options{}, 0.2)
	if low != 0 {
		t.Errorf("default: %d scores of at most 0.2 are not zero", low)
	}
	low, high := classScores(t, m, infer.Options{ScoreFloor: 1e-4}, 0.2)
	if low == 0 {
		t.Error("floor 0.0001: every score of at most 0.2 is zero")
	}
	t.Logf("floor 0.0001: %d scores up to 0.2, %d above", low, high)
	if low, _ := classScores(t, m, infer.Options{ScoreFloor: 0.01}, 0.01); low != 0 {
		t.Errorf("floor 0.01: %d scores below it are not zero", low)
	}
}

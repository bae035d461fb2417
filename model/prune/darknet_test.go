package prune_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"dashline/model/darknet"
	"dashline/model/prune"
)

// own is a network of the project.
func own(t testing.TB, name string) *darknet.File {
	t.Helper()
	path := filepath.Join("..", "..", "testdata", "networks", name)
	cfg, err := os.ReadFile(path + ".cfg")
	if err != nil {
		t.Fatal(err)
	}
	weights, err := os.ReadFile(path + ".weights")
	if err != nil {
		t.Fatal(err)
	}
	return read(t, cfg, weights)
}

func read(t testing.TB, cfg, weights []byte) *darknet.File {
	t.Helper()
	f, err := darknet.Read(cfg, bytes.NewReader(weights), int64(len(weights)))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// tiny4 begins as yolov4-tiny does: halves of layers go on alone and are joined
// again.
const tiny4 = `[net]
width=32
height=32
channels=3
[convolutional]
batch_normalize=1
filters=8
size=3
stride=2
pad=1
activation=leaky
[convolutional]
batch_normalize=1
filters=16
size=3
stride=1
pad=1
activation=leaky
[route]
layers=-1
groups=2
group_id=1
[convolutional]
batch_normalize=1
filters=8
size=3
stride=1
pad=1
activation=leaky
[convolutional]
batch_normalize=1
filters=8
size=3
stride=1
pad=1
activation=leaky
[route]
layers=-1,-2
[convolutional]
batch_normalize=1
filters=16
size=1
stride=1
pad=1
activation=leaky
[route]
layers=-6,-1
[convolutional]
batch_normalize=1
filters=12
groups=4
size=3
stride=1
pad=1
activation=mish
[shortcut]
from=-1
activation=linear
[convolutional]
filters=18
size=1
stride=1
pad=1
activation=linear
[yolo]
mask=0,1,2
anchors=10,14, 23,27, 37,58
classes=1
num=3
`

// What is left of a network that darknet can hold, darknet can hold.
func TestRemovedInDarknetNumerics(t *testing.T) {
	cfg := []byte(tiny4)
	weights, err := darknet.RandomWeights(cfg, 1)
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]*darknet.File{
		"dashline-tiny": own(t, "dashline-tiny"), "dashline-full": own(t, "dashline-full"), "route groups": read(t, cfg, weights),
	} {
		t.Run(name, func(t *testing.T) {
			s, err := prune.Analyze(f.Graph)
			if err != nil {
				t.Fatal(err)
			}
			r := rand.New(rand.NewPCG(1, 0))
			for range 5 {
				small := *f
				if small.Graph, err = s.Remove(f.Graph, choose(s, r, r.Float64())); err != nil {
					t.Fatal(err)
				}
				var cfg, weights bytes.Buffer
				if err := small.Write(&cfg, &weights); err != nil {
					t.Fatal(err)
				}
				if again := read(t, cfg.Bytes(), weights.Bytes()); !reflect.DeepEqual(again.Graph, small.Graph) {
					t.Fatal("another network was read than was written")
				}
			}
		})
	}
}

func BenchmarkAnalyze(b *testing.B) {
	f := own(b, "dashline-full")
	for b.Loop() {
		if _, err := prune.Analyze(f.Graph); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMacs(b *testing.B) {
	s, err := prune.Analyze(own(b, "dashline-full").Graph)
	if err != nil {
		b.Fatal(err)
	}
	counts := s.All().Counts()
	for b.Loop() {
		s.Macs(counts)
	}
}

package export

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"

	"dashline/sensors/synth/truth"
)

// tusimple is one line of JSON for each picture in label_data.json: at which
// column each lane line crosses which row, -2 where it does not.
type tusimple struct {
	path string
	out  *os.File // PATH.part
	to   *bufio.Writer
}

type tusimpleLine struct {
	File    string  `json:"raw_file"`
	Lanes   [][]int `json:"lanes"`
	Samples []int   `json:"h_samples"`
}

// Of TuSimple's own labels: rows 160, 170, ... 710 of pictures of 720, at most
// five lines.
const (
	tusimpleRows   = 56
	tusimpleFirst  = 160
	tusimpleStep   = 10
	tusimpleHeight = 720
	tusimpleLanes  = 5
	absent         = -2
)

func (t *tusimple) begin(dir string) (classes bool, err error) {
	t.path = filepath.Join(dir, "label_data.json")
	if t.out, err = beginOne(t.path); err != nil {
		return false, err
	}
	t.to = bufio.NewWriter(t.out)
	return false, nil
}

func (*tusimple) picture(p *Picture) string {
	return fmt.Sprintf("clips/%s/%06d.jpg", p.Drive, p.Frame)
}

func (t *tusimple) label(p *Picture, l *Labelled) error {
	line := tusimpleLine{File: t.picture(p), Lanes: [][]int{}}
	for i := range tusimpleRows {
		line.Samples = append(line.Samples, (tusimpleFirst+tusimpleStep*i)*p.Height/tusimpleHeight)
	}
	for _, lane := range nearest(p.Truth.Lanes, tusimpleLanes) {
		columns := make([]int, tusimpleRows)
		seen := 0
		for i, row := range line.Samples {
			columns[i] = absent
			if x, ok := crossing(lane.Image, float64(row)+0.5); ok && x >= 0 && x < float64(p.Width) {
				columns[i] = int(math.Floor(x))
				seen++
			}
		}
		if seen >= 2 {
			line.Lanes = append(line.Lanes, columns)
		}
	}
	data, err := json.Marshal(line)
	l.entry = append(data, '\n')
	return err
}

// nearest are the n lines nearest to the vehicle, left to right.
func nearest(lanes []truth.Lane, n int) []truth.Lane {
	lanes = slices.Clone(lanes)
	slices.SortStableFunc(lanes, func(a, b truth.Lane) int { return cmp.Compare(magnitude(a.Side), magnitude(b.Side)) })
	lanes = lanes[:min(n, len(lanes))]
	slices.SortStableFunc(lanes, func(a, b truth.Lane) int { return cmp.Compare(a.Side, b.Side) })
	return lanes
}

func magnitude(v int) int { return max(v, -v) }

// crossing is where a line crosses the height y: the nearest place along it.
func crossing(line [][2]float64, y float64) (x float64, ok bool) {
	for i := 1; i < len(line); i++ {
		p, q := line[i-1], line[i]
		if y > max(p[1], q[1]) || y < min(p[1], q[1]) || p[1] == q[1] {
			continue
		}
		return p[0] + (q[0]-p[0])*(y-p[1])/(q[1]-p[1]), true
	}
	return 0, false
}

func (t *tusimple) add(l *Labelled) error {
	_, err := t.to.Write(l.entry.([]byte))
	return err
}

func (t *tusimple) end() error { return endOne(t.out, t.to, t.path) }

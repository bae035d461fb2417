package export

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"dashline/sensors/synth/truth"
)

// yolo is a text file for each picture, one object a line: the number of its
// class, and the middle and size of its visible box as shares of the picture's.
// Objects that are to be ignored stand in files of the same form in ignore/, and
// what there is of the road in JSON files in lanes/.
type yolo struct {
	classes map[string]int
}

func (*yolo) begin(string) (classes bool, err error) { return true, nil }

func (*yolo) picture(p *Picture) string { return fmt.Sprintf("images/%s_%06d.jpg", p.Drive, p.Frame) }

func (y *yolo) label(p *Picture, l *Labelled) error {
	var asked, ignored strings.Builder
	for _, o := range p.Truth.Objects {
		class, ok := y.classes[o.Class]
		if !ok {
			return fmt.Errorf("object %d is of class %q, which the set does not have", o.ID, o.Class)
		}
		to := &asked
		if o.Ignore {
			to = &ignored
		}
		w, h, b := float64(p.Width), float64(p.Height), o.Box
		fmt.Fprintf(to, "%d %.6f %.6f %.6f %.6f\n", class, (b[0]+b[2])/2/w, (b[1]+b[3])/2/h, (b[2]-b[0])/w, (b[3]-b[1])/h)
	}
	stem := fmt.Sprintf("%s_%06d", p.Drive, p.Frame)
	l.files = append(l.files, file{"labels/" + stem + ".txt", []byte(asked.String())})
	if ignored.Len() > 0 {
		l.files = append(l.files, file{"ignore/" + stem + ".txt", []byte(ignored.String())})
	}
	data, err := json.Marshal(roadOf(&p.Truth))
	l.files = append(l.files, file{"lanes/" + stem + ".json", append(data, '\n')})
	return err
}

func (*yolo) add(*Labelled) error { return nil }

func (*yolo) end() error { return nil }

// road is what a lane network learns from: the middles of the lines, near to
// far; the outline of the drivable road as if nothing stood on it; and the
// outlines of what does.
type road struct {
	Lanes    [][][2]float64 `json:"lanes"`
	Drivable [][2]float64   `json:"drivable"`
	Outlines [][][2]float64 `json:"outlines"`
}

func roadOf(f *truth.Frame) road {
	r := road{Lanes: [][][2]float64{}, Drivable: rounded(f.Drivable), Outlines: [][][2]float64{}}
	for _, l := range f.Lanes {
		r.Lanes = append(r.Lanes, rounded(l.Image))
	}
	for _, o := range f.Objects {
		r.Outlines = append(r.Outlines, rounded(o.Outline))
	}
	return r
}

// rounded to hundredths of a pixel.
func rounded(points [][2]float64) [][2]float64 {
	out := make([][2]float64, len(points))
	for i, p := range points {
		out[i] = [2]float64{hundredth(p[0]), hundredth(p[1])}
	}
	return out
}

func hundredth(v float64) float64 { return math.Round(v*100)/100 + 0 } // no negative zero

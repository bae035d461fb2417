package planner

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"dashline/pipeline/msg"
)

// golden is testdata/oracles/planner.json, which planner.py beside it makes.
type golden struct {
	Quintics []struct {
		From [5]float64
		C    [6]float64
		At   [][4]float64
	}
	Drivers [][4]*float64 // v, gap (null: free road), closing, acceleration
	Bends   []struct {
		Cubic [4]float64
		From  [5]float64
		S     float64
		Kappa float64
	}
	Lanes []struct {
		Cubic  [4]float64
		Offset float64
		Points [][2]float64
	}
}

func oracle(t *testing.T) *golden {
	t.Helper()
	b, err := os.ReadFile("testdata/oracles/planner.json")
	if err != nil {
		t.Fatal(err)
	}
	g := new(golden)
	if err := json.Unmarshal(b, g); err != nil {
		t.Fatal(err)
	}
	if len(g.Quintics) == 0 || len(g.Drivers) == 0 || len(g.Bends) == 0 || len(g.Lanes) == 0 {
		t.Fatal("planner.json lacks a part: run testdata/oracles/planner.py")
	}
	return g
}

func near(a, b, tolerance float64) bool {
	return math.Abs(a-b) <= tolerance*math.Max(1, math.Abs(b))
}

func TestQuinticOracle(t *testing.T) {
	for _, want := range oracle(t).Quintics {
		f := want.From
		q := newQuintic(f[0], f[1], f[2], f[3], f[4])
		for i := range q.c {
			if !near(q.c[i], want.C[i], 1e-13) {
				t.Errorf("%v: coefficient %d is %v, want %v", f, i, q.c[i], want.C[i])
			}
		}
		for _, at := range want.At {
			v, d1, d2 := q.at(at[0])
			if !near(v, at[1], 1e-12) || !near(d1, at[2], 1e-12) || !near(d2, at[3], 1e-12) {
				t.Errorf("%v at %v: %v %v %v, want %v", f, at[0], v, d1, d2, at[1:])
			}
		}
	}
}

func TestIntelligentDriverOracle(t *testing.T) {
	for _, d := range oracle(t).Drivers {
		gap := math.Inf(1)
		if d[1] != nil {
			gap = *d[1]
		}
		if got := intelligentDriver(*d[0], 25, gap, *d[2], 4.5, 1.8, 1.5, 2); !near(got, *d[3], 1e-12) {
			t.Errorf("v %v, gap %v, closing %v: %v m/s², want %v", *d[0], gap, *d[2], got, *d[3])
		}
	}
}

func TestFrenetCurvatureOracle(t *testing.T) {
	for _, b := range oracle(t).Bends {
		q := newQuintic(b.From[0], b.From[1], b.From[2], b.From[3], b.From[4])
		r := reference{cl: centerline{curve: msg.Cubic{C: b.Cubic}, reach: maxPath}}
		const steps = 2000
		for range steps {
			mid := r
			mid.advance(b.S / steps / 2)
			g := curveAt(r.cl.curve, mid.x)
			r.x += b.S / steps / g.stretch
			r.s += b.S / steps
		}
		if got, _ := r.curvature(&q); math.Abs(got-b.Kappa) > 1e-6 {
			t.Errorf("cubic %v, offset %v at %v m: curvature %v, want %v", b.Cubic, b.From, b.S, got, b.Kappa)
		}
	}
}

// Once it is there, the path runs along the curve that lies offset metres beside
// the reference.
func TestPathOracle(t *testing.T) {
	c := Default()
	for _, l := range oracle(t).Lanes {
		cl := centerline{curve: msg.Cubic{C: l.Cubic, X1: 150}, offset: l.Offset, reach: 150}
		var p path
		if !p.follow(&c, cl, 10, 110) {
			t.Fatalf("cubic %v, offset %v: no path", l.Cubic, l.Offset)
		}
		for _, want := range l.Points {
			if want[0] < 75 || want[0] > 95 {
				continue // not there yet, or at the path's end
			}
			s, left, ok := p.locate(want[0], want[1])
			if !ok || math.Abs(left) > 0.003 {
				t.Errorf("cubic %v, offset %v: the centre at %.2f is %.4f m left of the path (at %.1f m, %v)", l.Cubic, l.Offset, want, left, s, ok)
			}
		}
	}
}

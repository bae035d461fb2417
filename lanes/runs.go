package lanes

import "bytes"

// run is a horizontal stretch of set pixels in one row of a mask.
type run struct {
	y, x0, x1 int32 // x1 is one past the last pixel
	up, down  int32 // linked run in the row above and below, -1 for none
	parent    int32 // union-find, used for areas
	best      int32 // scratch of link
	bestDist  float32
}

func (r *run) width() int32    { return r.x1 - r.x0 }
func (r *run) centre() float32 { return float32(r.x0+r.x1) / 2 }

// runs are those of a whole mask, bottom row first and left to right in a row.
type runs struct {
	all  []run
	rows []int32 // all[rows[i]:rows[i+1]] is the i-th row from the bottom
}

// scan finds the runs of a mask of zeros and ones. A hole within a row is filled
// where closed, given the hole's pixels [x0, x1) of row y, says so.
func (s *runs) scan(mask []uint8, w, h int, closed func(y, x0, x1 int) bool) {
	s.all, s.rows = s.all[:0], s.rows[:0]
	for y := h - 1; y >= 0; y-- {
		first := len(s.all)
		s.rows = append(s.rows, int32(first))
		row := mask[y*w : (y+1)*w]
		for x := 0; x < w; {
			start := bytes.IndexByte(row[x:], 1)
			if start < 0 {
				break
			}
			start += x
			if x = bytes.IndexByte(row[start:], 0); x < 0 {
				x = w
			} else {
				x += start
			}
			if n := len(s.all); n > first && closed(y, int(s.all[n-1].x1), start) {
				s.all[n-1].x1 = int32(x)
				continue
			}
			s.all = append(s.all, run{y: int32(y), x0: int32(start), x1: int32(x), up: -1, down: -1})
		}
	}
	s.rows = append(s.rows, int32(len(s.all)))
}

// row returns the bounds in all of the i-th row from the bottom.
func (s *runs) row(i int) (lo, hi int32) { return s.rows[i], s.rows[i+1] }

// link joins runs of neighbouring rows into chains that go up and never fork. A
// run is linked where it and the run below are each the other's nearest that
// touches. So at a fork or a junction one way goes on, and the rest start or end
// there. A sudden change of width breaks a chain: there two lines have grown
// together or a blob begins.
func (s *runs) link() {
	const far = 1 << 20
	for i := 1; i+1 < len(s.rows); i++ {
		belowLo, belowHi := s.row(i - 1)
		lo, hi := s.row(i)
		for q := belowLo; q < belowHi; q++ {
			s.all[q].best, s.all[q].bestDist = -1, far
		}
		start := belowLo
		for r := lo; r < hi; r++ {
			above := &s.all[r]
			above.best, above.bestDist = -1, far
			for start < belowHi && s.all[start].x1 < above.x0 {
				start++
			}
			// Diagonal neighbours count.
			for q := start; q < belowHi && s.all[q].x0 <= above.x1; q++ {
				below := &s.all[q]
				d := above.centre() - below.centre()
				if d < 0 {
					d = -d
				}
				if d < above.bestDist {
					above.best, above.bestDist = q, d
				}
				if d < below.bestDist {
					below.best, below.bestDist = r, d
				}
			}
		}
		for r := lo; r < hi; r++ {
			above := &s.all[r]
			if above.best < 0 || s.all[above.best].best != r {
				continue
			}
			below := &s.all[above.best]
			if jump(above.width(), below.width()) {
				continue
			}
			above.down, below.up = above.best, r
		}
	}
}

// jump says whether a line cannot have these widths in neighbouring rows.
func jump(a, b int32) bool {
	return a > 2*b+8 || b > 2*a+8
}

package track

import "math"

// solver finds optimal assignments and keeps its memory from one to the next.
type solver struct {
	u, v, dist    []float64
	colOf, rowOf  []int
	before        []int // row from which a column was reached
	left          []int // columns that are not on the shortest path's tree
	rows, columns []int // those that are
}

// solve pairs rows with columns so that the sum of the pairs' costs, and of
// limit for each row or column of the smaller side that has no pair, is the
// smallest there is. cost is row-major, rows x cols. A pair whose cost is not
// below limit, NaN included, is never made. The result has the column of each
// row, -1 for none, and is valid until the next call. It takes
// O(min²·max) steps.
//
// It is the successive shortest augmenting paths of Jonker and Volgenant as D.
// Crouse gives them for rectangular costs ("On implementing 2D rectangular
// assignment algorithms", IEEE TAES 52(4), 2016): costs from limit on count as
// limit, every row of the smaller side gets a column, and those that cost limit
// are taken apart again.
func (s *solver) solve(cost []float64, rows, cols int, limit float64) []int {
	n, m, rowStep, colStep := rows, cols, cols, 1
	if rows > cols {
		n, m, rowStep, colStep = cols, rows, 1, cols
	}
	at := func(i, j int) float64 {
		if c := cost[i*rowStep+j*colStep]; c < limit {
			return c
		}
		return limit
	}
	s.u, s.v, s.dist = floats(s.u, n), floats(s.v, m), floats(s.dist, m)
	s.colOf, s.rowOf, s.before = none(s.colOf, n), none(s.rowOf, m), none(s.before, m)
	for row := range n {
		s.augment(at, row, m)
	}
	for i, j := range s.colOf {
		if !(at(i, j) < limit) {
			s.colOf[i], s.rowOf[j] = -1, -1
		}
	}
	if rows > cols {
		return s.rowOf
	}
	return s.colOf
}

// augment gives row a column, along the path that adds the least to the sum.
func (s *solver) augment(at func(i, j int) float64, row, m int) {
	s.left, s.rows, s.columns = s.left[:0], s.rows[:0], s.columns[:0]
	for j := range m {
		s.left = append(s.left, j)
		s.dist[j] = math.Inf(1)
	}
	i, sink, far := row, -1, 0.0
	for sink < 0 {
		s.rows = append(s.rows, i)
		next := -1 // index into left
		for k, j := range s.left {
			if d := far + at(i, j) - s.u[i] - s.v[j]; d < s.dist[j] {
				s.dist[j], s.before[j] = d, i
			}
			// Of equals the one that ends the path.
			if next < 0 || s.dist[j] < s.dist[s.left[next]] || s.dist[j] == s.dist[s.left[next]] && s.rowOf[j] < 0 && s.rowOf[s.left[next]] >= 0 {
				next = k
			}
		}
		j := s.left[next]
		far = s.dist[j]
		s.columns = append(s.columns, j)
		s.left[next] = s.left[len(s.left)-1]
		s.left = s.left[:len(s.left)-1]
		if i = s.rowOf[j]; i < 0 {
			sink = j
		}
	}
	s.u[row] += far
	for _, i := range s.rows[1:] {
		s.u[i] += far - s.dist[s.colOf[i]]
	}
	for _, j := range s.columns {
		s.v[j] -= far - s.dist[j]
	}
	for j := sink; ; {
		i := s.before[j]
		s.rowOf[j] = i
		j, s.colOf[i] = s.colOf[i], j
		if i == row {
			return
		}
	}
}

// floats is s with n zeros.
func floats(s []float64, n int) []float64 {
	if cap(s) < n {
		return make([]float64, n)
	}
	s = s[:n]
	clear(s)
	return s
}

// none is s with n times -1.
func none(s []int, n int) []int {
	if cap(s) < n {
		s = make([]int, n)
	}
	s = s[:n]
	for i := range s {
		s[i] = -1
	}
	return s
}

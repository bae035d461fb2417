package metric

import "math"

// assign pairs rows with columns, one to one, so that the sum of value is the
// greatest: as many pairs as the shorter side has. It returns each row's column,
// -1 for none. It is the Hungarian method with potentials, in O(rows² columns).
func assign(value [][]float64) []int {
	rows := len(value)
	if rows == 0 {
		return nil
	}
	columns := len(value[0])
	if rows > columns {
		turned := make([][]float64, columns)
		for j := range turned {
			turned[j] = make([]float64, rows)
			for i := range value {
				turned[j][i] = value[i][j]
			}
		}
		out := make([]int, rows)
		for i := range out {
			out[i] = -1
		}
		for j, i := range assign(turned) {
			out[i] = j
		}
		return out
	}
	// Row and column 0 are none; owner is the row of each column.
	u, v := make([]float64, rows+1), make([]float64, columns+1)
	owner, way := make([]int, columns+1), make([]int, columns+1)
	for i := 1; i <= rows; i++ {
		least, done := make([]float64, columns+1), make([]bool, columns+1)
		for j := range least {
			least[j] = math.Inf(1)
		}
		owner[0] = i
		at := 0
		for owner[at] != 0 {
			done[at] = true
			row, step, next := owner[at], math.Inf(1), 0
			for j := 1; j <= columns; j++ {
				if done[j] {
					continue
				}
				if cost := -value[row-1][j-1] - u[row] - v[j]; cost < least[j] {
					least[j], way[j] = cost, at
				}
				if least[j] < step {
					step, next = least[j], j
				}
			}
			for j := range least {
				if done[j] {
					u[owner[j]] += step
					v[j] -= step
				} else {
					least[j] -= step
				}
			}
			at = next
		}
		for at != 0 {
			owner[at] = owner[way[at]]
			at = way[at]
		}
	}
	out := make([]int, rows)
	for j := 1; j <= columns; j++ {
		if owner[j] > 0 {
			out[owner[j]-1] = j - 1
		}
	}
	return out
}

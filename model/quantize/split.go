package quantize

import "dashline/model"

// calibrationMemory bounds the values of the pictures that calibrate, bytes.
const calibrationMemory = 2 << 30

// Split says which pictures are to calibrate g and which to judge what came of it,
// as [Hold] takes them: every third calibrates, as far as 2 GiB hold their values,
// and all others judge. g has its shapes set.
func Split(g *model.Graph, pictures [][]float32) (calibrate, judge [][]float32) {
	return split(pictures, int(calibrationMemory/max(Memory(g), 1)))
}

func split(pictures [][]float32, most int) (calibrate, judge [][]float32) {
	most = max(most, 1)
	for i, x := range pictures {
		if i%3 == 0 && len(calibrate) < most {
			calibrate = append(calibrate, x)
		} else {
			judge = append(judge, x)
		}
	}
	return calibrate, judge
}

package stats

import "math"

// Verdict is what a figure beside its base comes to.
type Verdict string

// The verdicts, of a figure of which less is better.
const (
	Better       Verdict = "better"
	Same         Verdict = "same"
	Worse        Verdict = "worse"
	Inconclusive Verdict = "inconclusive"
)

// Judge says what the interval of a ratio of head to base means, where changes of
// less than the margin (.02 is 2 %) do not matter:
//
//   - same: the whole interval is within (1/(1+margin), 1+margin). That is an
//     equivalence test, two one-sided tests at (1-level)/2 each (Schuirmann, A
//     comparison of the two one-sided tests procedure and the power approach,
//     Journal of Pharmacokinetics and Biopharmaceutics 15, 1987). That no difference
//     was found is not enough.
//   - worse: the whole interval is above 1, and the estimate above 1+margin.
//   - better: the same of 1/ratio.
//   - inconclusive: all else.
//
// So worse is said of what is surely slower, and by more than the margin as far
// as one can tell. To want the whole interval above 1+margin would prove more but
// finds a slowdown of 5 % seldom on a noisy machine; to want only that it is above
// 1 would block for changes that do not matter. Where nothing changed the first
// condition alone is wrong in (1-level)/2 of runs, whatever the noise: so an
// interval at level .98 keeps false alarms to 1 % of runs for each figure, and the
// second makes them far fewer where the noise is small beside the margin.
func Judge(ratio Interval, margin float64) Verdict {
	if !(margin > 0) {
		panic("stats: a margin is not more than 0")
	}
	limit := 1 + margin
	switch {
	case math.IsNaN(ratio.Value):
		return Inconclusive
	case ratio.Low > 1/limit && ratio.High < limit:
		return Same
	case ratio.Low > 1 && ratio.Value > limit:
		return Worse
	case ratio.High < 1 && ratio.Value < 1/limit:
		return Better
	}
	return Inconclusive
}

// Package stats says how sure one can be of latencies, misses and comparisons of
// them, and of how many frames it takes. It is usable by itself: values in,
// intervals out.
//
// Its opinions, in the manner of golang.org/x/perf/benchmath:
//
//   - A mean of latencies hides what matters. A pipeline that is late once in a
//     hundred frames has nearly the mean of one that never is. So latencies are
//     quantiles and shares of frames in time, and frames that were never published
//     are in them as infinite ages (Tene, How not to measure latency, 2013), not
//     left out.
//   - No distribution of frames is assumed. Latencies have several modes, long tails
//     and a floor. Bounds of quantiles are order statistics (David and Nagaraja,
//     Order Statistics, 3rd ed. 2003, section 7.1), comparisons of blocks use ranks.
//   - Where a bound can be exact it is: a count of misses is binomial, so its
//     interval is Clopper and Pearson's and not a normal approximation, which is
//     worst where misses are rare.
//   - Frames that follow each other are alike, and say less than as many
//     independent ones. Correlation is looked for and widens the interval, by the
//     design effect of what is estimated: that of a tail is not that of a mean.
//   - What a sample cannot say is not said. A bound that too few frames cannot give
//     is infinite. How many are needed is known before the run.
//   - Who looks at a test while it runs and stops when it pleases errs more often
//     than the test says (Armitage, McPherson and Rowe, Repeated significance tests
//     on accumulating data, 1969). [Sequential] holds its level however it is
//     stopped.
//   - Two programs are compared in blocks that ran beside each other, by ratios,
//     since machines drift more than programs differ. Blocks of one process are not
//     independent of each other, processes are: see [Mean].
//   - "No significant difference" is what a noisy machine says of everything.
//     [Same] is shown by an equivalence test, and else it is [Inconclusive].
//
// Each function names its source. docs/bench-statistics.md has the simulations
// that show that intervals cover what they say.
//
// Functions are pure, keep nothing that they are given, change none of it, and may
// be called from several goroutines; a [Sequential] is for one. Levels and
// quantiles are in (0, 1), values may be infinite but not NaN, and what breaks
// these rules panics, as it is a mistake in the program.
package stats

package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"dashline/bench/accuracy"
	"dashline/detect/ap"
	"dashline/detect/labels"
)

// part is a share for people; - where there is none.
func part(v float64) string {
	if v < 0 {
		return "-"
	}
	return fmt.Sprintf("%.4f", v)
}

func between(in ap.Interval) string {
	if !in.Known {
		return "-"
	}
	return fmt.Sprintf("%.4f to %.4f", in.Low, in.High)
}

// signed is an interval of differences.
func signed(in ap.Interval) string {
	if !in.Known {
		return "-"
	}
	return fmt.Sprintf("%+.4f to %+.4f", in.Low, in.High)
}

func printDetect(to io.Writer, r *accuracy.Report, c *accuracy.Comparison) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s on %s, %d pictures\n\n", r.Network, r.Engine, r.Images)
	fmt.Fprintln(w, "\tAP\t95 %\tAP50\t95 %\tAP75\tSMALL\tMEDIUM\tLARGE\tAR100\tPICTURES")
	row := func(name string, v *ap.Result, in *ap.Intervals, n int) {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\n", name, part(v.AP), between(in.APInterval), part(v.AP50), between(in.AP50Interval),
			part(v.AP75), part(v.APS), part(v.APM), part(v.APL), part(v.AR100), n)
	}
	row("all", &r.Result, &r.Intervals, r.Images)
	for i := range r.ByWeather {
		v := &r.ByWeather[i]
		row(v.Weather, &v.Result, &v.Intervals, v.Images)
	}
	fmt.Fprintln(w, "\nCLASS\tAP\tAP50\tOBJECTS")
	for _, k := range slices.SortedFunc(slices.Values(r.PerClass), func(a, b ap.Class) int { return cmp.Compare(b.Truths, a.Truths) }) {
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\n", k.Name, part(k.AP), part(k.AP50), k.Truths)
	}
	if c != nil {
		fmt.Fprintf(w, "\nless %s on %s (AP %s, AP50 %s), in the %d classes that both know\n", c.Network, c.Engine, part(c.AP), part(c.AP50), c.Classes)
		printDifference(w, &c.Difference)
	}
	printLeft(w, r.Left)
	return w.Flush()
}

// printLeft says which objects are left out.
func printLeft(w io.Writer, left map[string]int) {
	if len(left) == 0 {
		return
	}
	var all []string
	for _, name := range labels.Names(left) {
		all = append(all, fmt.Sprintf("%s (%d)", name, left[name]))
	}
	fmt.Fprintf(w, "\nleft out, because the network does not know their class: %s\n", strings.Join(all, ", "))
}

func printDifference(w io.Writer, d *ap.Difference) {
	fmt.Fprintf(w, "AP\t%+.4f\t%s\t%s\n", d.AP, signed(d.APInterval), verdict(d.APInterval))
	fmt.Fprintf(w, "AP50\t%+.4f\t%s\t%s\n", d.AP50, signed(d.AP50Interval), verdict(d.AP50Interval))
}

// verdict says whether a difference is beyond chance.
func verdict(in ap.Interval) string {
	switch {
	case !in.Known:
		return "too few pictures to say"
	case in.Low > 0:
		return "better"
	case in.High < 0:
		return "worse"
	}
	return "no difference beyond chance"
}

func printLanes(to io.Writer, r *accuracy.LanesReport) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s on %s, %d pictures\n\n", r.Network, r.Engine, r.Images)
	fmt.Fprintln(w, "\tF1\t95 %\tPRECISION\tRECALL\tDRIVABLE IOU\t95 %\tMEAN IOU\tPICTURES")
	row := func(name string, s *accuracy.LaneScore) {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\n", name, part(s.F1), between(s.F1Interval), part(s.Precision), part(s.Recall),
			part(s.Drivable), between(s.IoUInterval), part(s.Mean), s.Images)
	}
	row("all", &r.LaneScore)
	for i := range r.ByWeather {
		row(r.ByWeather[i].Weather, &r.ByWeather[i].LaneScore)
	}
	return w.Flush()
}

package report

import "testing"

func TestFigures(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		{figure(0), "0"}, {figure(.0123456), "0.0123"}, {figure(.998), "1.00"}, {figure(3.0812), "3.08"}, {figure(61.25), "61.2"},
		{figure(248.1), "248"}, {figure(6636), "6,636"}, {figure(62001757), "62,001,757"}, {figure(-1234), "-1,234"},
		{millis(.123), "0.12"}, {millis(3.21), "3.2"}, {millis(99.96), "100.0"}, {millis(1234.4), "1,234"}, {millis(12345), "12,345"},
		{setting(100), "100"}, {setting(29.97), "29.97"}, {setting(33.3333333), "33.33"},
		{percent(.999), "99.9 %"}, {percent(.9999), "99.99 %"}, {percent(.5), "50 %"}, {percent(0), "0 %"}, {percent(1), "100 %"},
		{percent(.001), "0.1 %"}, {percent(.044), "4.4 %"}, {percent(.0004521), "0.045 %"},
		{bound(.0004521), "0.046 %"}, {bound(.00045), "0.045 %"}, {bound(0), "0 %"}, {bound(1), "100 %"}, {bound(.05201), "5.3 %"},
		{quantileName(.5), "p50"}, {quantileName(.999), "p99.9"}, {quantileName(.9999), "p99.99"},
		{plural(1, "core"), "1 core"}, {plural(6636, "frame"), "6,636 frames"},
		{short("abcdef", 6), "abcdef"}, {short("abcdefg", 6), "abcde…"}, {short("äöüß", 3), "äö…"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}

// TestHeadline: the verdict's word and why, by what was asked and done.
func TestHeadline(t *testing.T) {
	for name, want := range map[string][2]string{
		"pass":         {"PASS", "99.9 % of frames are within 100 ms, and fewer than 0.1 % are missed"},
		"fail":         {"FAIL", "more than 0.1 % of frames are missed, beyond doubt"},
		"inconclusive": {"INCONCLUSIVE", "p99.9 may be above 100 ms or below: it takes more frames to know"},
		"closed":       {"NO VERDICT", "closed loop: service times alone, which say nothing of frames that wait"},
		"empty":        {"NOT JUDGED", "nothing was measured"},
	} {
		r := made()[name]()
		if got := [2]string{r.verdictWord(), r.why()}; got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	r := passing()
	r.Goal, r.Verdict = nil, ""
	if got := [2]string{r.verdictWord(), r.why()}; got != [2]string{"NOT JUDGED", "no deadline was asked for"} {
		t.Errorf("without a goal: got %q", got)
	}
}

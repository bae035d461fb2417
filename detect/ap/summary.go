package ap

import "math"

// Result is the summary of a data set, each value 0 to 1, or -1 where there is
// no truth for it.
type Result struct {
	AP       float64 `json:"ap"`    // mean over IoU .50:.05:.95
	AP50     float64 `json:"ap50"`  // at IoU .50
	AP75     float64 `json:"ap75"`  // at IoU .75
	APS      float64 `json:"aps"`   // of objects below 32² pixels
	APM      float64 `json:"apm"`   // of 32² to 96²
	APL      float64 `json:"apl"`   // above
	AR1      float64 `json:"ar1"`   // recall with one detection an image and class
	AR10     float64 `json:"ar10"`  // with ten
	AR100    float64 `json:"ar100"` // with a hundred
	PerClass []Class `json:"per_class"`
}

// Class is the result of one class of which there is truth.
type Class struct {
	Class  int     `json:"class"`
	Name   string  `json:"name"`
	Truths int     `json:"truths"` // objects to be found
	AP     float64 `json:"ap"`
	AP50   float64 `json:"ap50"`
}

// Summary counts what was matched. names are the classes' names.
func (m *Matched) Summary(names []string) Result {
	var c counter
	r := Result{PerClass: []Class{}}
	whole := m.precision(&c, all, nil)
	r.AP, r.AP50, r.AP75 = whole.mean, whole.at[0], whole.at[5]
	r.APS = m.precision(&c, small, nil).mean
	r.APM = m.precision(&c, medium, nil).mean
	r.APL = m.precision(&c, large, nil).mean
	r.AR1, r.AR10, r.AR100 = m.recall(1), m.recall(10), m.recall(100)
	for i := range m.classes {
		n := m.classes[i].positives(all, nil)
		if n == 0 {
			continue
		}
		p := c.class(&m.classes[i], all, n, nil)
		k := Class{Class: i, Truths: n, AP: mean(p[:]), AP50: p[0]}
		if i < len(names) {
			k.Name = names[i]
		}
		r.PerClass = append(r.PerClass, k)
	}
	return r
}

// precisions is the average precision over classes at each threshold and over all.
type precisions struct {
	at   [thresholds]float64
	mean float64
}

// precision averages over the classes of which there is truth. weights says how
// often each image counts, nil: once.
func (m *Matched) precision(c *counter, area int, weights []int32) precisions {
	var p precisions
	classes := 0
	for i := range m.classes {
		n := m.classes[i].positives(area, weights)
		if n == 0 {
			continue
		}
		classes++
		for t, v := range c.class(&m.classes[i], area, n, weights) {
			p.at[t] += v
		}
	}
	if classes == 0 {
		for t := range p.at {
			p.at[t] = -1
		}
		p.mean = -1
		return p
	}
	for t := range p.at {
		p.at[t] /= float64(classes)
	}
	p.mean = mean(p.at[:])
	return p
}

// recall is the share of objects found, with so many detections an image and
// class, averaged over thresholds and classes.
func (m *Matched) recall(detections int32) float64 {
	sum, classes := 0.0, 0
	for i := range m.classes {
		c := &m.classes[i]
		n := c.positives(all, nil)
		if n == 0 {
			continue
		}
		classes++
		for _, o := range c.found {
			if o.rank >= detections {
				continue
			}
			for t := range thresholds {
				if o.hit[all]>>t&1 == 1 {
					sum += 1 / float64(n)
				}
			}
		}
	}
	if classes == 0 {
		return -1
	}
	return sum / thresholds / float64(classes)
}

func (c *class) positives(area int, weights []int32) int {
	n := 0
	for _, t := range c.truths {
		w := 1
		if weights != nil {
			w = int(weights[t.image])
		}
		n += w * int(t.n[area])
	}
	return n
}

// counter has the scratch memory of counting.
type counter struct{ curves [thresholds][]point }

// point is where a curve of precision over recall has a new right detection.
type point struct{ recall, precision float64 }

// class is the average precision of a class with so many objects to be found,
// at each threshold: the mean over 101 points of recall of the greatest
// precision at that recall or beyond (COCOeval.accumulate).
//
// An image that counts w times stands for w copies of it: then its detections
// come w times in a row, and of a row only the last point matters.
func (c *counter) class(k *class, area, positives int, weights []int32) (ap [thresholds]float64) {
	var right, wrong [thresholds]int
	wrongAtAll := 0 // most are wrong at every threshold: counted once, not ten times
	for t := range c.curves {
		c.curves[t] = c.curves[t][:0]
	}
	for i := range k.found {
		o := &k.found[i]
		w := 1
		if weights != nil {
			if w = int(weights[o.image]); w == 0 {
				continue
			}
		}
		hit, skip := o.hit[area], o.skip[area]
		if hit|skip == 0 {
			wrongAtAll += w
			continue
		}
		for t := range thresholds {
			switch {
			case hit>>t&1 == 1:
				right[t] += w
				r := float64(right[t])
				c.curves[t] = append(c.curves[t], point{r / float64(positives), r / (float64(wrong[t]+wrongAtAll) + r)})
			case skip>>t&1 == 0:
				wrong[t] += w
			}
		}
	}
	for t := range ap {
		ap[t] = envelope(c.curves[t])
	}
	return ap
}

// envelope averages a curve over the points of recall.
func envelope(curve []point) float64 {
	for i := len(curve) - 2; i >= 0; i-- {
		curve[i].precision = math.Max(curve[i].precision, curve[i+1].precision)
	}
	sum, at := 0.0, 0
	for i := range recalls {
		for at < len(curve) && curve[at].recall < recallPoint(i) {
			at++
		}
		if at == len(curve) {
			break
		}
		sum += curve[at].precision
	}
	return sum / recalls
}

func mean(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return sum / float64(len(v))
}

package planner

import (
	"math"
	"testing"
	"time"

	"dashline/pipeline/msg"
)

// at is the header of a frame t seconds into a stream of 25 frames/s.
func at(t float64) msg.Header {
	return msg.Header{Camera: "front", Seq: uint64(math.Round(t * 25)), PTS: time.Duration(t * float64(time.Second))}
}

// road is a lane set with the given boundaries.
func road(left, right *msg.Cubic) *msg.LaneSet {
	l := &msg.LaneSet{EgoLeft: -1, EgoRight: -1}
	if left != nil {
		l.EgoLeft = len(l.Lanes)
		l.Lanes = append(l.Lanes, msg.Lane{Curve: *left, Confidence: 0.9})
	}
	if right != nil {
		l.EgoRight = len(l.Lanes)
		l.Lanes = append(l.Lanes, msg.Lane{Curve: *right, Confidence: 0.9})
	}
	return l
}

// cubic is a boundary y0 to the left, with slope, bend and twist, seen from 5 to 70 m.
func cubic(y0, slope, bend, twist float64) *msg.Cubic {
	return &msg.Cubic{C: [4]float64{y0, slope, bend / 2, twist / 6}, X0: 5, X1: 70}
}

func straightRoad() *msg.LaneSet { return road(cubic(1.8, 0, 0, 0), cubic(-1.8, 0, 0, 0)) }

// car is an object whose rear is gap metres before the default front bumper.
func car(gap, y float64) msg.Object {
	return msg.Object{Position: msg.Ground{X: gap + Default().FrontOverhang, Y: y}, Width: 1.8, Label: "car", Score: 0.9}
}

func scene(t, speed float64, lanes *msg.LaneSet, objects ...msg.Object) *msg.Scene {
	return &msg.Scene{Header: at(t), Speed: speed, Lanes: lanes, Objects: objects}
}

func newPlanner(t testing.TB, cfg Config) *Planner {
	t.Helper()
	p, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// watch gives the planner one second of an object that moves at a constant
// speed while the vehicle does too, and returns the last plan: a lead that is
// gap metres ahead at that time, with its speed known.
func watch(p *Planner, lanes *msg.LaneSet, speed, gap, leadSpeed, y float64) *msg.Trajectory {
	const frames = 50
	var tr *msg.Trajectory
	for i := range frames + 1 {
		t := float64(i) / 25
		back := float64(frames-i) / 25
		tr = p.Plan(scene(t, speed, lanes, car(gap-(leadSpeed-speed)*back, y)))
	}
	return tr
}

package synth

import "math"

// kind says what a thing is: an index into truth.Classes, or scenery.
type kind int

const (
	car kind = iota
	truck
	bus
	motorcycle
	bicycle
	person
	signal
	cone
	scenery // and all else that is only looked at
)

// actor is a thing that stands or moves on or beside the road.
type actor struct {
	kind kind
	id   int // of an object; 0 for scenery
	mesh *mesh

	s, d   float64 // of its middle on the ground
	z      float64 // above the ground
	turn   float64 // heading beyond the road's, radians
	dir    float64 // 1 along s, -1 against it, 0 it stands
	v      float64 // along dir, m/s, not negative
	across float64 // speed along d, m/s
	accel  float64
	phase  float64 // of its steps, radians

	lane    int     // of a vehicle in traffic, from the centre outward
	wanted  float64 // speed, m/s
	braking float64 // seconds for which it still brakes hard
	to      float64 // d that a person walks to
	walking bool
	edge    int     // the side of the road that it goes along: -1 right, 1 left, 0 neither
	off     float64 // d from that edge
	parked  bool
	cross   float64 // s of the crossing whose signal this is
	lit     int8    // of a signal: 1 red, 2 yellow, 3 green
}

func (a *actor) vehicle() bool {
	return a.kind <= motorcycle && !a.parked
}

// stays says that it does not mean to move.
func (a *actor) stays() bool {
	return a.parked || a.kind == cone || a.kind == person && !a.walking && a.v == 0
}

// leans says that it stands on its length and follows the road's grade; all else
// is upright.
func (a *actor) leans() bool {
	return a.kind <= bicycle || a.kind == scenery && a.mesh.size.y < 0.15 && a.mesh.size.x > 2
}

// front and back are its ends along s.
func (a *actor) front() float64 { return a.s + a.mesh.size.x/2 }
func (a *actor) back() float64  { return a.s - a.mesh.size.x/2 }

// heading of an actor in the world, on a road that heads yaw.
func (a *actor) heading(yaw float64) float64 {
	if a.dir < 0 {
		return yaw + math.Pi + a.turn
	}
	return yaw + a.turn
}

// newVehicle draws a vehicle of the mix that a scene has.
func newVehicle(sc *Scene, d dice) (kind, *mesh) {
	switch x := d.Float64(); {
	case x < sc.Heavy*0.6:
		return truck, newTruck(d)
	case x < sc.Heavy:
		return bus, newBus(d)
	case x < sc.Heavy+sc.Two:
		return motorcycle, newMotorcycle(d)
	}
	return car, newCar(d)
}

package camera

// chance is what a camera's faults are drawn with. A draw is a function of what
// it is for and of the packet's number, not of the draws before it.
type chance uint64

// What is drawn for.
const (
	drawLoss = iota + 1
	drawBurst
	drawBurstEnd
	drawReorder
	drawDuplicate
	drawJitter
	drawTruncate
	drawTruncateAt
	drawFlip
	drawFlipAt
	drawOffset
	drawSequence
	drawSets
)

func newChance(seed uint64, camera int) chance {
	return chance(mix(mix(seed) + uint64(camera)))
}

// bits are 64 random bits.
func (c chance) bits(what int, n uint64) uint64 {
	return mix(mix(uint64(c)+uint64(what)) + n)
}

// unit is a number from 0 up to 1.
func (c chance) unit(what int, n uint64) float64 {
	return float64(c.bits(what, n)>>11) / (1 << 53)
}

// mix is the step of SplitMix64: each bit of x moves half of the result's.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

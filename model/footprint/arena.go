package footprint

// The constants of BFCArena in onnxruntime/core/framework/bfc_arena.h.
const (
	smallest     = 256       // all sizes are multiples of it
	firstRegion  = 1 << 20   // bytes
	maxExtension = 1 << 30   // a region doubles up to this
	maxDead      = 128 << 20 // a remainder as large is split off in any case
)

// arena follows that allocator: regions of powers of two, the smallest free
// chunk that is large enough, split only where a half would be left.
type arena struct {
	chunks  []chunk // by region and place
	next    int64   // bytes of the next region
	regions []int64 // bytes of each
	touched []int64 // from the beginning of each that were written
}

type chunk struct {
	region   int
	at, size int64
	owner    int // -1: free
}

func newArena() *arena { return &arena{next: firstRegion} }

// take gives a value its chunk.
func (a *arena) take(owner int, size int64) {
	size = (size + smallest - 1) / smallest * smallest
	best := a.find(size)
	if best < 0 {
		a.extend(size)
		best = len(a.chunks) - 1
	}
	c := &a.chunks[best]
	c.owner = owner
	a.touched[c.region] = max(a.touched[c.region], c.at+size)
	if c.size < 2*size && c.size-size < maxDead {
		return
	}
	rest := chunk{c.region, c.at + size, c.size - size, -1}
	c.size = size
	a.chunks = append(a.chunks[:best+1], append([]chunk{rest}, a.chunks[best+1:]...)...)
}

// find is the smallest chunk that is large enough. Of several equal ones it is
// that of the lowest address, and regions are mapped from the top down.
func (a *arena) find(size int64) int {
	best := -1
	for i, c := range a.chunks {
		if c.owner >= 0 || c.size < size {
			continue
		}
		if best < 0 || c.size < a.chunks[best].size || c.size == a.chunks[best].size && c.region > a.chunks[best].region {
			best = i
		}
	}
	return best
}

func (a *arena) extend(size int64) {
	grown := false
	for a.next < size {
		a.next, grown = 2*a.next, true
	}
	a.chunks = append(a.chunks, chunk{len(a.touched), 0, a.next, -1})
	a.regions, a.touched = append(a.regions, a.next), append(a.touched, 0)
	if !grown && a.next < maxExtension {
		a.next *= 2
	}
}

// give takes back an owner's chunk and joins it with its free neighbours.
func (a *arena) give(owner int) {
	for i := range a.chunks {
		if a.chunks[i].owner != owner {
			continue
		}
		a.chunks[i].owner = -1
		a.join(i)
		if i > 0 {
			a.join(i - 1)
		}
		return
	}
}

func (a *arena) join(i int) {
	if i+1 >= len(a.chunks) {
		return
	}
	c, d := &a.chunks[i], a.chunks[i+1]
	if c.region != d.region || c.owner >= 0 || d.owner >= 0 {
		return
	}
	c.size += d.size
	a.chunks = append(a.chunks[:i+1], a.chunks[i+2:]...)
}

// resident is what is resident of all regions. A region below glibc's limit for
// mappings of their own lies in the heap, where pages may have been written
// before, by what read the model, of which there is no more than so many bytes of
// garbage: between none and all of them count. Half of them are assumed.
func (a *arena) resident(garbage int64) int64 {
	const heapLimit = 32 << 20 // DEFAULT_MMAP_THRESHOLD_MAX, at which reading large weights puts it
	var sum, dirty int64
	for i, n := range a.touched {
		sum += n
		if a.regions[i] < heapLimit {
			dirty += a.regions[i] - n
		}
	}
	return sum + min(dirty, garbage)/2
}

// pattern follows MemPatternPlanner (onnxruntime/core/framework/mem_pattern_planner.h):
// every value gets a fixed place in one block, the gap that fits best at the time.
type pattern struct {
	held []chunk // by place
	size int64
}

func (p *pattern) take(owner int, size int64) {
	const alignment = 64
	size = (size + alignment - 1) / alignment * alignment
	at, waste, current := int64(-1), int64(-1), int64(0)
	fit := func(gap int64) {
		if gap >= size && (waste < 0 || gap-size < waste) {
			at, waste = current, gap-size
		}
	}
	for _, c := range p.held {
		fit(c.at - current)
		current = max(current, c.at+c.size)
	}
	fit(p.size - current)
	if at < 0 {
		at = current
	}
	p.size = max(p.size, at+size)
	i := 0
	for i < len(p.held) && p.held[i].at < at {
		i++
	}
	p.held = append(p.held[:i], append([]chunk{{at: at, size: size, owner: owner}}, p.held[i:]...)...)
}

func (p *pattern) give(owner int) {
	for i := range p.held {
		if p.held[i].owner == owner {
			p.held = append(p.held[:i], p.held[i+1:]...)
			return
		}
	}
}

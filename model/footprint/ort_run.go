package footprint

// planner settles which values share memory, as AllocationPlanner does
// (onnxruntime/core/framework/allocation_planner.cc): a value takes the memory of
// what it is computed from where the operator may and nobody else reads that,
// else memory of the same shape that is free by then, the newest first.
type planner struct {
	owner   map[int]int // whose memory a value is
	pending map[int]int // reads of an owner's memory to come
	output  map[int]bool
	shape   map[int]string // of an owner's memory
	free    []int          // owners, the newest last
	first   map[int]int    // the step that takes an owner's memory
	last    map[int]int    // the step after which nobody needs it
}

func plan(steps []step) *planner {
	p := &planner{owner: map[int]int{}, pending: map[int]int{}, output: map[int]bool{}, shape: map[int]string{},
		first: map[int]int{}, last: map[int]int{}}
	reads := map[int]int{}
	for _, s := range steps {
		for _, v := range s.reads {
			reads[v]++
		}
	}
	for at, s := range steps {
		owner := p.settle(s, at)
		p.owner[s.value] = owner
		p.output[owner] = p.output[owner] || s.output
		p.pending[owner] += reads[s.value]
		for _, v := range s.reads {
			p.pending[p.owner[v]]--
			p.leave(p.owner[v], at)
		}
		p.leave(owner, at)
	}
	return p
}

// settle is whose memory a step's value is.
func (p *planner) settle(s step, at int) int {
	if s.from >= 0 {
		from := p.owner[s.from]
		alone := p.pending[from] == 1 && !p.output[from] && p.shape[from] == s.shape
		if s.view || alone && !s.output {
			return from
		}
	}
	if !s.output {
		for i := len(p.free) - 1; i >= 0; i-- {
			if o := p.free[i]; p.shape[o] == s.shape {
				p.free = append(p.free[:i], p.free[i+1:]...)
				return o
			}
		}
	}
	p.first[s.value], p.shape[s.value] = at, s.shape
	return s.value
}

// leave notes that a step was the last that needs an owner's memory so far.
func (p *planner) leave(owner, at int) {
	if p.pending[owner] > 0 || p.output[owner] || p.last[owner] == at+1 {
		return
	}
	p.last[owner] = at + 1
	p.free = append(p.free, owner)
}

// resident is what the arena has after two forwards: from then on
// nothing new is taken. The first takes memory piece by piece; with what it saw,
// all values of the next ones get a fixed place in one piece. Outputs have none:
// by then they are the caller's memory.
func resident(steps []step, garbage int64) int64 {
	const scratch, block = -1, -2
	p, a, fixed := plan(steps), newArena(), &pattern{}
	ends := map[int][]int{}
	for owner, last := range p.last {
		ends[last] = append(ends[last], owner)
	}
	for at, s := range steps {
		owner := p.owner[s.value]
		if s.scratch > 0 {
			a.take(scratch, s.scratch)
			fixed.take(scratch, s.scratch)
		}
		if first, ok := p.first[owner]; ok && first == at {
			a.take(owner, s.size)
			if !p.output[owner] {
				fixed.take(owner, s.size)
			}
		}
		for _, owner := range append(ends[at+1], scratch) {
			a.give(owner)
			fixed.give(owner)
		}
	}
	for owner := range p.first {
		a.give(owner)
	}
	if fixed.size > 0 {
		a.take(block, fixed.size)
	}
	return a.resident(garbage)
}

package bus

import "time"

// entry is one encoded message that waits to be sent.
type entry struct {
	subject    string
	schema     string
	frame      bool // seq and capturedAt are those of a frame
	seq        uint64
	count      uint64
	capturedAt time.Time // zero where not known
	payload    []byte
}

// ring is a queue of entries, bounded in number and in payload bytes. Its zero
// value is not usable. It is not safe for concurrent use.
type ring struct {
	entries  []entry
	head, n  int
	bytes    int
	maxBytes int
}

func newRing(size, maxBytes int) *ring {
	return &ring{entries: make([]entry, size), maxBytes: maxBytes}
}

func (r *ring) len() int { return r.n }

// full says whether an entry of that many bytes more does not fit.
func (r *ring) full(bytes int) bool {
	return r.n == len(r.entries) || r.n > 0 && r.bytes+bytes > r.maxBytes
}

// push adds the newest entry. The ring must not be full.
func (r *ring) push(e entry) {
	r.entries[(r.head+r.n)%len(r.entries)] = e
	r.n++
	r.bytes += len(e.payload)
}

// pushOldest puts back what pop took. The ring must not be full.
func (r *ring) pushOldest(e entry) {
	r.head = (r.head + len(r.entries) - 1) % len(r.entries)
	r.entries[r.head] = e
	r.n++
	r.bytes += len(e.payload)
}

// pop takes the oldest entry.
func (r *ring) pop() (entry, bool) {
	if r.n == 0 {
		return entry{}, false
	}
	e := r.entries[r.head]
	r.entries[r.head] = entry{}
	r.head = (r.head + 1) % len(r.entries)
	r.n--
	r.bytes -= len(e.payload)
	return e, true
}

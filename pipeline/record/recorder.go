package record

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"os"
	"sync"
	"syscall"
	"time"

	"dashline/lanes/ground"
	"dashline/pipeline/msg"
)

const (
	// chunkEvery is how often a chunk ends, however little is in it.
	chunkEvery = time.Second
	// closeBound is how long Close waits where its context sets no time.
	closeBound = 5 * time.Second
	// MaxPacket is the largest packet that is recorded, bytes.
	MaxPacket = 16 << 20
)

// Count is the account of one kind: Offered = Written + Dropped + Waiting.
type Count struct {
	Offered uint64 `json:"offered"` // values that the recorder was given
	Written uint64 `json:"written"` // in whole chunks that the file system has taken
	Dropped uint64 `json:"dropped"` // did not fit, could not be encoded, or came after an error
	Waiting uint64 `json:"waiting"` // in the queue or in the open chunk
}

// Stats is a recorder's account so far.
type Stats struct {
	Kinds  map[Kind]Count
	Bytes  uint64 // of the file
	Chunks int
	// LastDrop says why the latest value was dropped; empty when none was.
	LastDrop string
	// Err is what ended the recording early; nil where nothing did.
	Err error
}

// Total sums the account of all kinds.
func (s Stats) Total() Count {
	var t Count
	for _, c := range s.Kinds {
		t.Offered += c.Offered
		t.Written += c.Written
		t.Dropped += c.Dropped
		t.Waiting += c.Waiting
	}
	return t
}

// Recorder writes one recording. Its methods are safe for concurrent use and,
// apart from Close, wait for nothing.
type Recorder struct {
	o     Options
	path  string
	start time.Time
	file  io.WriteCloser
	wake  chan struct{}
	done  chan struct{} // closed when the writer has ended

	mu      sync.Mutex
	queue   []item
	spare   []item   // the writer's other batch
	free    [][]byte // packet buffers to use again
	gap     map[string]bool
	waiting int // items in the queue and in the writer's batch
	bytes   int // of those
	closing bool
	abandon bool
	late    uint64 // values that abandon cost
	told    bool
	stats   [len(kinds)]Count // without Waiting
	size    uint64
	chunks  int
	drop    string
	err     error
}

// item is one value on its way to the file.
type item struct {
	kind   kind
	camera string
	at     uint64 // log time, Unix nanoseconds
	size   int    // what it counts for in the queue
	value  any    // a published value, or a ground.Camera
	packet msg.Packet
}

// Create begins a recording in a new file. It ends with Close.
func Create(path string, o Options) (*Recorder, error) {
	o, err := o.filled()
	if err != nil {
		return nil, fmt.Errorf("record %s: %w", path, err)
	}
	flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if o.Overwrite {
		flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	f, err := os.OpenFile(path, flags, 0o644)
	if errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("record %s: there is such a file already: name another one, or ask to replace it", path)
	}
	if err != nil {
		return nil, fmt.Errorf("record: %w", err)
	}
	r, err := start(path, f, o)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return r, nil
}

// start begins a recording on any writer, with options that are filled in.
func start(path string, file io.WriteCloser, o Options) (*Recorder, error) {
	r := &Recorder{
		o: o, path: path, file: file,
		start: time.Now(),
		wake:  make(chan struct{}, 1),
		done:  make(chan struct{}),
		gap:   map[string]bool{},
	}
	s, err := newSink(bufio.NewWriterSize(file, 64<<10), o, r.now())
	if err != nil {
		return nil, fmt.Errorf("record %s: %w", path, err)
	}
	go r.run(s)
	return r, nil
}

// now is the log time: the wall clock at the start, and from there a clock that
// does not step.
func (r *Recorder) now() uint64 {
	return uint64(max(0, r.start.UnixNano())) + uint64(time.Since(r.start))
}

// Packet records a packet of a camera, whose data it copies.
func (r *Recorder) Packet(camera string, p *msg.Packet) {
	kept := *p
	if len(p.Data) <= MaxPacket { // else it is refused below
		kept.Data = append(r.buffer(len(p.Data)), p.Data...)
	}
	r.offer(item{kind: packets, camera: camera, size: 256 + len(p.Data), packet: kept})
}

// Detections records d, which must not change any more; so for the others.
func (r *Recorder) Detections(d *msg.Detections) {
	r.offer(item{kind: detections, camera: d.Camera, size: 256 + 128*len(d.Items), value: d})
}

// Tracks records t.
func (r *Recorder) Tracks(t *msg.Tracks) {
	r.offer(item{kind: tracks, camera: t.Camera, size: 256 + 256*len(t.Items), value: t})
}

// Lanes records l.
func (r *Recorder) Lanes(l *msg.LaneSet) {
	size := 256 + 16*len(l.Drivable)
	for i := range l.Lanes {
		size += 128 + 16*len(l.Lanes[i].Points)
	}
	r.offer(item{kind: lanes, camera: l.Camera, size: size, value: l})
}

// Plan records t.
func (r *Recorder) Plan(t *msg.Trajectory) {
	r.offer(item{kind: plan, camera: t.Camera, size: 256 + 96*len(t.Points), value: t})
}

// Frame records f.
func (r *Recorder) Frame(f *msg.FrameReport) {
	r.offer(item{kind: frames, camera: f.Camera, size: 512 + len(f.Detail) + 48*len(f.Stages), value: f})
}

// Camera records the state of a live camera.
func (r *Recorder) Camera(s *msg.CameraState) {
	r.offer(item{kind: camera, camera: s.Camera, size: 256 + len(s.Detail), value: s})
}

// Calibration records how a camera sees and where it is mounted. What is
// recorded of the camera before that has no place in space.
func (r *Recorder) Calibration(camera string, c ground.Camera) {
	r.offer(item{kind: calibration, camera: camera, size: 512, value: c})
}

// offer queues an item, or counts it as dropped.
func (r *Recorder) offer(it item) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stats[it.kind].Offered++
	if why := r.refused(&it); why != "" {
		r.lose(&it, why)
		return
	}
	it.at = r.now() // under the lock, so that the queue is in its order
	r.waiting++
	r.bytes += it.size
	r.queue = append(r.queue, it)
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// refused says why an item cannot be queued. The caller holds mu.
func (r *Recorder) refused(it *item) string {
	switch {
	case r.err != nil:
		return "the recording has stopped"
	case r.closing:
		return "the recorder is closed"
	case it.kind == packets && len(it.packet.Data) > MaxPacket:
		return fmt.Sprintf("a packet of %d bytes is more than the %d that are recorded", len(it.packet.Data), MaxPacket)
	case it.kind == packets && r.gap[it.camera] && !it.packet.Key:
		return "a packet before it was dropped: the recording goes on at the next key frame"
	case r.waiting >= r.o.MaxMessages, r.bytes+it.size > r.o.MaxBytes:
		return "the queue was full: the disk is too slow"
	}
	if it.kind == packets {
		delete(r.gap, it.camera)
	}
	return ""
}

// lose counts an item as dropped. The caller holds mu.
func (r *Recorder) lose(it *item, why string) {
	r.stats[it.kind].Dropped++
	r.drop = why
	if it.kind == packets {
		if len(r.gap) < maxCameras { // a made-up name each time must not fill memory
			r.gap[it.camera] = true
		}
		r.recycle(it.packet.Data)
	}
}

// buffer returns an empty buffer for n bytes.
func (r *Recorder) buffer(n int) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, b := range r.free {
		if cap(b) >= n {
			last := len(r.free) - 1
			r.free[i] = r.free[last]
			r.free = r.free[:last]
			return b[:0]
		}
	}
	return make([]byte, 0, 1<<bits.Len(uint(max(n, 4095))))
}

// recycle keeps a packet's memory for another; the caller holds mu.
func (r *Recorder) recycle(b []byte) {
	if len(r.free) < 16 && cap(b) > 0 && cap(b) <= 1<<20 {
		r.free = append(r.free, b)
	}
}

// Stats returns the account so far.
func (r *Recorder) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := Stats{Kinds: map[Kind]Count{}, Bytes: r.size, Chunks: r.chunks, LastDrop: r.drop, Err: r.err}
	for k, c := range r.stats {
		c.Waiting = c.Offered - c.Written - c.Dropped
		s.Kinds[kinds[k]] = c
	}
	return s
}

// Close writes what waits and finishes the file. When ctx ends, or after 5 s
// where it has no deadline, what still waits is dropped and the file is
// finished without it; a single write that the disk does not answer is waited
// for. The error says what is missing. Later calls return the same.
func (r *Recorder) Close(ctx context.Context) error {
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, closeBound)
		defer cancel()
	}
	r.mu.Lock()
	r.closing = true
	r.mu.Unlock()
	r.signal()
	select {
	case <-r.done:
	case <-ctx.Done():
		r.mu.Lock()
		r.abandon = true
		r.mu.Unlock()
		<-r.done
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

func (r *Recorder) signal() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// run is the writer, the only one that touches the sink.
func (r *Recorder) run(s *sink) {
	defer close(r.done)
	tick := time.NewTicker(chunkEvery)
	defer tick.Stop()
	for {
		batch, closing := r.take()
		for i := range batch {
			r.write(s, &batch[i])
		}
		clear(batch) // the values are others' to free
		if closing && len(batch) == 0 {
			break
		}
		if len(batch) > 0 {
			select {
			case <-tick.C:
				r.endChunk(s)
			default:
			}
			continue
		}
		select {
		case <-r.wake:
		case <-tick.C:
			r.endChunk(s)
		}
	}
	r.finish(s)
}

// take returns what waits, and whether no more will come.
func (r *Recorder) take() (batch []item, closing bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	batch = r.queue
	r.queue, r.spare = r.spare[:0], batch
	return batch, r.closing
}

// write hands one item to the sink and accounts for it.
func (r *Recorder) write(s *sink, it *item) {
	r.mu.Lock()
	stop := ""
	if r.err != nil {
		stop = "the recording has stopped"
	} else if r.abandon {
		stop = "there was no time to write it before the end"
		r.late++
	}
	r.mu.Unlock()
	var err error
	if stop == "" {
		err = s.write(it)
	}

	r.mu.Lock()
	r.waiting--
	r.bytes -= it.size
	r.settle(s)
	switch {
	case r.err != nil:
		if stop == "" {
			stop = r.drop
		}
		r.lose(it, stop)
	case stop != "":
		r.lose(it, stop)
	case err != nil:
		r.lose(it, err.Error())
	default:
		r.recycle(it.packet.Data)
		s.pending[it.kind]++
		if !s.open() { // the chunk ended with this very item
			r.written(s)
		}
	}
	r.mu.Unlock()
	r.tell()
}

// settle brings the account up to the sink's state, of which the item at hand is
// not a part. The caller holds mu.
func (r *Recorder) settle(s *sink) {
	if s.err != nil && r.err == nil {
		r.err = fmt.Errorf("record %s: the recording stopped after %d bytes: %w (`dashline recover` mends what is there)", r.path, s.whole, s.err)
		r.drop = "the recording has stopped"
		for k, n := range s.pending {
			r.stats[k].Dropped += n
		}
		s.pending = [len(kinds)]uint64{}
		return
	}
	if s.err == nil && s.chunks() > r.chunks {
		r.written(s)
	}
}

// written counts what the sink holds as written. The caller holds mu.
func (r *Recorder) written(s *sink) {
	r.chunks, r.size = s.chunks(), s.whole
	for k, n := range s.pending {
		r.stats[k].Written += n
	}
	s.pending = [len(kinds)]uint64{}
}

// tell gives notice of an error, once.
func (r *Recorder) tell() {
	r.mu.Lock()
	err, first := r.err, !r.told
	r.told = r.told || err != nil
	r.mu.Unlock()
	if err != nil && first && r.o.Notice != nil {
		r.o.Notice(err)
	}
}

// account is what the file is told of the recorder.
func (r *Recorder) account() [len(kinds)]Count {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stats
}

// due is the log time of what the writer itself adds now: not after that of what
// waits, which is written after it.
func (r *Recorder) due() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.queue) > 0 {
		return r.queue[0].at
	}
	return r.now()
}

// endChunk ends the open chunk.
func (r *Recorder) endChunk(s *sink) {
	if s.err != nil || !s.open() {
		return
	}
	s.account(r.account(), r.due())
	r.mu.Lock()
	r.settle(s)
	r.mu.Unlock()
	r.tell()
}

// finish ends the file.
func (r *Recorder) finish(s *sink) {
	if s.err == nil {
		s.account(r.account(), r.due())
	}
	if s.err == nil {
		s.finish()
	}
	if f, ok := r.file.(*os.File); ok && s.err == nil {
		// A pipe cannot be synchronised, and need not be.
		if err := f.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
			s.fail(err)
		}
	}
	if err := r.file.Close(); err != nil {
		s.fail(err)
	}
	r.mu.Lock()
	r.settle(s)
	if s.err == nil {
		r.size = s.whole
	}
	if r.err == nil && r.late > 0 {
		r.err = fmt.Errorf("record %s: %d values could not be written before the end: the disk is too slow", r.path, r.late)
	}
	r.mu.Unlock()
	r.tell()
}

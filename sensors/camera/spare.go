package camera

import "context"

// spare is a reel of another encoding, made ready beside the one that is shown:
// opening a long film and reading on to a picture far in it takes longer than a
// frame. It has a goroutine of its own until it is ready; take or drop waits.
type spare struct {
	film  *strip
	at    uint64 // shot, counted by the running reel, in whose place it comes
	stop  context.CancelFunc
	ready chan struct{} // closed once reel and err are set
	reel  *reel
	err   error
}

// newSpare makes one ready to go on with the key frame at or before the picture of
// an index. from is one of the
// same film that may be nearer to it; it is the new one's now. It may be nil.
func newSpare(ctx context.Context, film *strip, index int, at uint64, from *reel) *spare {
	ctx, stop := context.WithCancel(ctx)
	s := &spare{film: film, at: at, stop: stop, ready: make(chan struct{}), reel: from}
	go func() {
		defer close(s.ready)
		s.err = s.prepare(ctx, index)
	}()
	return s
}

func (s *spare) prepare(ctx context.Context, index int) (err error) {
	if s.reel == nil {
		if s.reel, err = s.film.open(); err != nil {
			return err
		}
	}
	return s.reel.seek(ctx, s.film.keyBefore(index))
}

func (s *spare) isReady() bool {
	select {
	case <-s.ready:
		return true
	default:
		return false
	}
}

// take waits and gives the reel, whose owner the caller is now; nil where it could
// not be made ready.
func (s *spare) take() (*reel, error) {
	<-s.ready
	s.stop()
	if s.err != nil && s.reel != nil {
		s.reel.close()
		s.reel = nil
	}
	return s.reel, s.err
}

// drop ends it. It is safe for nil.
func (s *spare) drop() {
	if s == nil {
		return
	}
	s.stop()
	if r, _ := s.take(); r != nil {
		r.close()
	}
}

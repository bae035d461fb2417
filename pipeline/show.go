package pipeline

import "dashline/pipeline/frame"

// view is a View with the lease that keeps its frame.
type view struct {
	lease frame.Lease
	View
}

// show hands a finished frame to the viewer or gives it back. A live frame that
// the viewer has no time for is not shown.
func (l *line) show(v view) {
	if !v.lease.Held() { // it is with a crew that hangs
		return
	}
	if l.views == nil {
		v.lease.Release()
		return
	}
	select {
	case l.views <- v:
	default:
		v.lease.Release()
	}
}

// showAll waits for the viewer, as files and replays do.
func (l *line) showAll(v view) {
	if !v.lease.Held() { // it is with a crew that hangs
		return
	}
	if l.views == nil {
		v.lease.Release()
		return
	}
	l.views <- v
}

// look shows frames to the viewer until work is done. After the viewer's first
// error it only gives frames back.
func (l *line) look() {
	for v := range l.views {
		if l.viewErr == nil {
			l.viewing = v.View
			l.viewErr = l.view(&l.viewing)
		}
		v.lease.Release()
	}
}

func (l *line) view(v *View) (err error) {
	defer contain(&err)
	return l.Viewer.View(v)
}

package infer

import (
	"fmt"
	"runtime"
)

// MaxThreads bounds Options.Threads.
const MaxThreads = 256

// BackendError says that a backend that was asked for would not really run.
type BackendError struct {
	Backend Backend
	Reason  string // in words, for example "OpenCV 4.6.0 was built without CUDA"
	Mend    string // what to do
}

func (e *BackendError) Error() string {
	return fmt.Sprintf("backend %s cannot run: %s; %s", e.Backend, e.Reason, e.Mend)
}

// Settle is how every engine answers a request for a backend. missing says why
// a backend would not really run, and the mend; an empty reason means that it
// would. Settle returns the backend to use and, where that is not the one asked
// for, the reason; with Options.Require it returns a *[BackendError] instead.
func Settle(o Options, missing func(Backend) (reason, mend string)) (use Backend, fallback string, err error) {
	want := o.Requested()
	switch want {
	case CPU:
		return CPU, "", nil
	case CUDA, CUDAFP16, OpenCL:
	default:
		return "", "", fmt.Errorf("unknown backend %q: use %s, %s, %s or %s", want, CPU, CUDA, CUDAFP16, OpenCL)
	}
	reason, mend := missing(want)
	if reason == "" {
		return want, "", nil
	}
	if o.Require {
		return "", "", &BackendError{Backend: want, Reason: reason, Mend: mend}
	}
	return CPU, reason, nil
}

// Requested is the backend asked for, CPU where none is named.
func (o Options) Requested() Backend {
	if o.Backend == "" {
		return CPU
	}
	return o.Backend
}

// ThreadCount is Threads, or one per core that this process may use where it is 0.
func (o Options) ThreadCount() (int, error) {
	if o.Threads < 0 || o.Threads > MaxThreads {
		return 0, fmt.Errorf("%d threads: use 1 to %d, or 0 for one per core", o.Threads, MaxThreads)
	}
	if o.Threads == 0 {
		return min(runtime.GOMAXPROCS(0), MaxThreads), nil
	}
	return o.Threads, nil
}

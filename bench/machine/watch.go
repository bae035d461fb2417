package machine

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
)

// A machine is noisy where one of these is exceeded, where its governor is known
// and is not "performance", or where what else ran is not known. On a machine that
// does nothing else, the kernel and its services take 1 to 2 % of the processors.
const (
	MaxOthers = .05 // share of the processors' time that other processes had
	MaxSteal  = .01 // share that other machines had
	MaxLoad   = .5  // processes that ran or wanted to in the minute before, for each core
)

// minTicks is how much of the processors' time there has to be so that shares of
// it are known to 1 %: it is counted in ticks.
const minTicks = 100

// Watch sees what else the machine does. Its methods are for one goroutine.
type Watch struct {
	root     fs.FS
	self     int
	given    []int
	cores    int
	governor string
	load     float64
	loadOK   bool
	begin    sample
}

// Start begins to watch the machine of which the facts are. This process' work,
// that of the processes that it started and those started in turn, and that of the
// processes pids with theirs is what is measured, and all other is noise. Start
// does not fail: what cannot be read makes Stop say so.
func Start(f Facts, pids ...int) *Watch {
	return start(os.DirFS("/"), os.Getpid(), f, pids...)
}

func start(root fs.FS, self int, f Facts, pids ...int) *Watch {
	w := &Watch{root: root, self: self, given: slices.Clone(pids), cores: f.Cores, governor: f.Governor}
	w.load, w.loadOK = loadIn(string(content(root, "proc/loadavg")))
	w.begin = w.sample()
	return w
}

// Stop says what else the machine did since Start. A process that ended meanwhile
// is counted to those that are measured if the one that started it waited for it
// and still runs.
func (w *Watch) Stop() Noise {
	n := noise(w.begin, w.sample())
	n.LoadBefore = w.load
	var why []string
	if n.Why != "" {
		why = append(why, n.Why)
	}
	if n.Others > MaxOthers {
		why = append(why, fmt.Sprintf("other processes had %.1f %% of the processors' time (more than %.0f %%)", n.Others*100, MaxOthers*100))
	}
	if n.Steal > MaxSteal {
		why = append(why, fmt.Sprintf("other machines had %.1f %% of it (more than %.0f %%)", n.Steal*100, MaxSteal*100))
	}
	if limit := MaxLoad * float64(w.cores); w.loadOK && n.LoadBefore > limit {
		why = append(why, fmt.Sprintf("the load before was %.2f (more than half of %d cores)", n.LoadBefore, w.cores))
	}
	if !w.loadOK {
		why = append(why, "the load before is not known")
	}
	if w.governor != "" && w.governor != "performance" {
		why = append(why, "the governor is "+w.governor+", so that the processors' speed changes with the load")
	}
	n.Why, n.Noisy = strings.Join(why, "; "), len(why) > 0
	return n
}

// sample is what the processors and the measured processes have done, in ticks.
type sample struct {
	processors ticks
	own        uint64
	ok         bool
}

func (w *Watch) sample() sample {
	allowed := allowedIn(bytes.NewReader(content(w.root, "proc/self/status")))
	all, ok := processorsIn(bytes.NewReader(content(w.root, "proc/stat")), allowed)
	own, found := w.own()
	return sample{all, own, ok && found}
}

// noise is what was between two samples.
func noise(a, b sample) Noise {
	total, busy, steal := b.processors.total-a.processors.total, b.processors.busy-a.processors.busy, b.processors.steal-a.processors.steal
	switch {
	case !a.ok || !b.ok,
		b.processors.total < a.processors.total, b.processors.busy < a.processors.busy, b.processors.steal < a.processors.steal:
		return Noise{Why: "what else ran is not known: /proc does not tell"}
	case total < minTicks:
		return Noise{Why: "what else ran is not known: the time was too short to tell"}
	}
	own := min(b.own-min(a.own, b.own), busy) // ticks of both are rounded
	return Noise{
		Others: float64(busy-own) / float64(total),
		Steal:  float64(steal) / float64(total),
	}
}

// ticks are sums of processors' time.
type ticks struct {
	total, busy, steal uint64
}

// processorsIn sums /proc/stat (Linux, Documentation/filesystems/proc.rst) over
// the allowed processors; over all where allowed is nil.
func processorsIn(r io.Reader, allowed map[int]bool) (t ticks, ok bool) {
	// Sums of all kinds of all processors do not overflow.
	const tooMuch, mostProcessors = 1 << 44, 1 << 12
	s := bufio.NewScanner(r)
	s.Buffer(nil, most)
	for n := 0; s.Scan() && n < mostProcessors; {
		words := strings.Fields(s.Text())
		if len(words) < 9 || !strings.HasPrefix(words[0], "cpu") {
			continue
		}
		cpu, err := strconv.Atoi(words[0][3:])
		if err != nil || (allowed != nil && !allowed[cpu]) {
			continue
		}
		// user nice system idle iowait irq softirq steal; guests' time is in user's.
		var v [8]uint64
		for i := range v {
			if v[i], err = strconv.ParseUint(words[i+1], 10, 64); err != nil || v[i] > tooMuch {
				return ticks{}, false
			}
		}
		busy := v[0] + v[1] + v[2] + v[5] + v[6]
		t.busy += busy
		t.steal += v[7]
		t.total += busy + v[3] + v[4] + v[7]
		n, ok = n+1, true
	}
	return t, ok
}

// allowedIn are the processors that /proc/self/status says this process may run
// on; nil where it does not.
func allowedIn(r io.Reader) map[int]bool {
	const mostProcessors = 1 << 16
	s := bufio.NewScanner(r)
	for s.Scan() {
		list, ok := strings.CutPrefix(s.Text(), "Cpus_allowed_list:")
		if !ok {
			continue
		}
		allowed := map[int]bool{}
		for part := range strings.SplitSeq(strings.TrimSpace(list), ",") {
			a, b, isRange := strings.Cut(part, "-")
			from, err := strconv.Atoi(a)
			to := from
			if isRange && err == nil {
				to, err = strconv.Atoi(b)
			}
			if err != nil || from < 0 || to < from || to >= mostProcessors {
				return nil
			}
			for i := from; i <= to; i++ {
				allowed[i] = true
			}
		}
		return allowed
	}
	return nil
}

// process is one line of /proc/PID/stat.
type process struct {
	parent int
	ticks  uint64 // its own, and those of ended processes that it waited for
}

// own is the time that the measured processes had; false where this process' is
// not known.
func (w *Watch) own() (sum uint64, ok bool) {
	entries, err := fs.ReadDir(w.root, "proc")
	if err != nil {
		return 0, false
	}
	all, children := map[int]process{}, map[int][]int{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		p, ok := processIn(string(content(w.root, "proc/"+e.Name()+"/stat")))
		if !ok { // it ended
			continue
		}
		all[pid] = p
		children[p.parent] = append(children[p.parent], pid)
	}
	_, ok = all[w.self]
	counted := map[int]bool{}
	for queue := append([]int{w.self}, w.given...); len(queue) > 0; queue = queue[1:] {
		if pid := queue[0]; !counted[pid] {
			counted[pid] = true
			sum += all[pid].ticks
			queue = append(queue, children[pid]...)
		}
	}
	return sum, ok
}

// processIn reads "pid (name) state ppid ..." (proc_pid_stat(5)); a name may hold
// anything, blanks and parentheses too.
func processIn(text string) (process, bool) {
	const tooMuch = 1 << 40
	i := strings.LastIndexByte(text, ')')
	if i < 0 {
		return process{}, false
	}
	words := strings.Fields(text[i+1:])
	if len(words) < 15 {
		return process{}, false
	}
	parent, err := strconv.Atoi(words[1])
	if err != nil {
		return process{}, false
	}
	p := process{parent: parent}
	for _, word := range words[11:15] { // utime stime cutime cstime
		n, err := strconv.ParseUint(word, 10, 64)
		if err != nil || n > tooMuch {
			return process{}, false
		}
		p.ticks += n
	}
	return p, true
}

// loadIn is the mean over a minute that /proc/loadavg has first.
func loadIn(text string) (float64, bool) {
	words := strings.Fields(text)
	if len(words) == 0 {
		return 0, false
	}
	v, err := strconv.ParseFloat(words[0], 64)
	if err != nil || !(v >= 0 && v < 1e6) {
		return 0, false
	}
	return v, true
}

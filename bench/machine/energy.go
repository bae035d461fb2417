package machine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
)

// ErrNoEnergy is where a machine does not tell what energy it takes, or not to
// this user.
var ErrNoEnergy = errors.New("the machine does not tell its energy")

// Energy adds up what the processors and, where it is told apart, their memory
// take: RAPL's counters (Linux, Documentation/power/powercap/powercap.rst). They are
// of the whole machine, of other processes too. Its methods are for one goroutine.
type Energy struct {
	root   fs.FS
	zones  []zone
	joules float64
}

// zone is one counter, of microjoules. It begins anew at 0 after its range.
type zone struct {
	file  string
	last  uint64
	limit uint64
}

// OpenEnergy begins to count. It is [ErrNoEnergy] where there are no counters that
// can be read; since Linux 5.10 they are root's.
func OpenEnergy() (*Energy, error) { return openEnergy(os.DirFS("/sys/class/powercap")) }

func openEnergy(root fs.FS) (*Energy, error) {
	// intel-rapl is on AMD's too. Beside it, intel-rapl-mmio counts the same again.
	dirs, err := fs.Glob(root, "intel-rapl:*")
	if err != nil || len(dirs) == 0 {
		return nil, ErrNoEnergy
	}
	e := &Energy{root: root}
	var seen []string
	for _, dir := range dirs {
		// Cores and graphics are within a package, and all of it is within psys.
		name := word(root, dir+"/name")
		top := strings.Count(dir, ":") == 1
		if !(top && strings.HasPrefix(name, "package-")) && name != "dram" {
			continue
		}
		if top && slices.Contains(seen, name) {
			continue
		}
		limit, err := number(root, dir+"/max_energy_range_uj")
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNoEnergy, err)
		}
		now, err := number(root, dir+"/energy_uj")
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNoEnergy, err)
		}
		seen = append(seen, name)
		e.zones = append(e.zones, zone{dir + "/energy_uj", now, limit})
	}
	if len(e.zones) == 0 {
		return nil, ErrNoEnergy
	}
	return e, nil
}

// Joules are those since [OpenEnergy]. A counter goes round in minutes to hours,
// and Joules sees one round from call to call: call it each minute.
func (e *Energy) Joules() (float64, error) {
	now := make([]uint64, len(e.zones))
	for i, z := range e.zones {
		n, err := number(e.root, z.file)
		if err != nil {
			return 0, err
		}
		if n < z.last && z.limit < z.last {
			return 0, fmt.Errorf("%s went back from %d to %d, and its range is %d", z.file, z.last, n, z.limit)
		}
		now[i] = n
	}
	for i := range e.zones {
		z := &e.zones[i]
		took := now[i] - z.last
		if now[i] < z.last {
			took = z.limit - z.last + now[i]
		}
		z.last = now[i]
		e.joules += float64(took) / 1e6
	}
	return e.joules, nil
}

func number(root fs.FS, name string) (uint64, error) {
	f, err := root.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	var text [32]byte
	n, err := f.Read(text[:])
	if err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	v, err := strconv.ParseUint(strings.TrimSpace(string(text[:n])), 10, 62)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	return v, nil
}

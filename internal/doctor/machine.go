package doctor

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/cpu"
)

// Machine is the hardware as this process may use it.
type Machine struct {
	CPU      string   `json:"cpu"`      // model name; empty where the system does not say
	Cores    int      `json:"cores"`    // that this process may run on
	MaxProcs int      `json:"maxprocs"` // at once; fewer than Cores where a container limits it
	Features []string `json:"features"` // those of cpuFeatures that are there
	Memory   uint64   `json:"memory_bytes"`
	Free     uint64   `json:"memory_available_bytes"`
}

// cpuFeatures are those that decide how fast networks run, int8 ones above all.
var cpuFeatures = []struct {
	name string
	has  bool
}{
	{"avx2", cpu.X86.HasAVX2},
	{"fma", cpu.X86.HasFMA},
	{"avx512f", cpu.X86.HasAVX512F},
	{"avx512_vnni", cpu.X86.HasAVX512VNNI},
	{"avx_vnni", cpu.X86.HasAVXVNNI},
	{"asimd", cpu.ARM64.HasASIMD},
	{"asimddp", cpu.ARM64.HasASIMDDP},
}

// ReadMachine finds out what machine this is; what is not known stays zero.
func ReadMachine() Machine {
	m := Machine{Cores: runtime.NumCPU(), MaxProcs: runtime.GOMAXPROCS(0), Features: []string{}}
	for _, f := range cpuFeatures {
		if f.has {
			m.Features = append(m.Features, f.name)
		}
	}
	// Absent outside Linux; what is not known stays zero.
	if f, err := os.Open("/proc/cpuinfo"); err == nil {
		m.CPU = field(f, "model name")
		f.Close()
	}
	if f, err := os.Open("/proc/meminfo"); err == nil {
		m.Memory, m.Free = memory(f)
		f.Close()
	}
	return m
}

// String is the machine in one line, for beside a measurement.
func (m Machine) String() string {
	words := []string{}
	if m.CPU != "" {
		words = append(words, m.CPU)
	}
	words = append(words, fmt.Sprintf("%d cores", m.Cores))
	return strings.Join(append(words, m.Features...), ", ")
}

// VNNI says whether int8 products are summed without saturation and fast.
func (m Machine) VNNI() bool {
	return slices.Contains(m.Features, "avx512_vnni") || slices.Contains(m.Features, "avx_vnni")
}

func (m Machine) checks() []Check {
	c := Check{"CPU", Good, fmt.Sprintf("%s, %d cores", m.CPU, m.Cores), ""}
	if m.MaxProcs != m.Cores {
		c.Says += fmt.Sprintf(", %d used at once", m.MaxProcs)
	}
	has := func(name string) bool { return slices.Contains(m.Features, name) }
	yes := func(name string, there bool) string {
		if there {
			return name + " yes"
		}
		return name + " no"
	}
	features := Check{"CPU features", Good, strings.Join([]string{
		yes("AVX2", has("avx2")),
		yes("AVX-512", has("avx512f")),
		yes("VNNI", m.VNNI()),
	}, ", "), ""}
	if runtime.GOARCH == "amd64" && !has("avx2") {
		features.State, features.Mend = Note, "networks run several times slower without AVX2: use smaller ones (dashline networks)"
	}
	mem := Check{"memory", Good, fmt.Sprintf("%.1f GiB, %.1f GiB available", gib(m.Memory), gib(m.Free)), ""}
	if m.Memory != 0 && m.Free < 1<<30 {
		mem.State, mem.Mend = Note, "a run takes up to 1 GiB: end other programs"
	}
	return []Check{c, features, mem}
}

func gib(bytes uint64) float64 { return float64(bytes) / (1 << 30) }

// field is the first value of a key in the form "key : value".
func field(r io.Reader, key string) string {
	for s := bufio.NewScanner(r); s.Scan(); {
		if k, v, ok := strings.Cut(s.Text(), ":"); ok && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// memory reads /proc/meminfo: all there is, and what can be had now, in bytes.
func memory(r io.Reader) (total, available uint64) {
	for s := bufio.NewScanner(r); s.Scan(); {
		k, v, _ := strings.Cut(s.Text(), ":")
		kib, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(v), " kB"), 10, 54)
		if err != nil {
			continue
		}
		switch k {
		case "MemTotal":
			total = kib << 10
		case "MemAvailable":
			available = kib << 10
		}
	}
	return total, available
}

// loadedLibraries are the shared libraries that this process has loaded, with
// the versions that their files' names carry: what runs, not what some package
// manager lists.
func loadedLibraries() map[string]string {
	f, err := os.Open("/proc/self/maps")
	if err != nil {
		return nil
	}
	defer f.Close()
	return librariesIn(f)
}

var library = regexp.MustCompile(`^(lib[\w+-]+)\.so\.([\d.]+)$`)

func librariesIn(maps io.Reader) map[string]string {
	loaded := map[string]string{}
	s := bufio.NewScanner(maps)
	for s.Scan() {
		if _, file, ok := strings.Cut(s.Text(), "/"); ok {
			if m := library.FindStringSubmatch(path.Base(file)); m != nil {
				loaded[m[1]] = m[2]
			}
		}
	}
	return loaded
}

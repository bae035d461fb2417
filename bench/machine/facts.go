package machine

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"dashline/internal/plain"
	"dashline/internal/version"
)

// most bytes of one file of the system that are read: /proc/cpuinfo of 1,000
// processors is about as long.
const most = 2 << 20

// engineFeatures are the processor's that the engines have code for, as
// /proc/cpuinfo names them: of x86 first, then of ARM.
func engineFeatures() []string {
	return []string{
		"sse4_1", "avx", "f16c", "fma", "avx2", "avx512f", "avx512bw", "avx512vl", "avx512_vnni", "avx_vnni",
		"avx512_bf16", "avx512_fp16", "amx_tile", "amx_int8", "amx_bf16",
		"asimd", "asimdhp", "asimddp", "i8mm", "bf16", "sve", "sve2",
	}
}

// Read finds out what machine this is.
func Read() Facts {
	f := read(os.DirFS("/"), runtime.NumCPU())
	v := version.Read()
	f.Platform, f.Go, f.Version = v.Platform, v.Go, v.Name()
	return f
}

// read takes the facts out of the files below root; cores is how many processors
// the scheduler may use for this process.
func read(root fs.FS, cores int) Facts {
	p := processorIn(bytes.NewReader(content(root, "proc/cpuinfo")))
	f := Facts{
		CPU:      p.model,
		Features: p.features,
		Cores:    cores,
		Governor: governor(root),
		Memory:   memoryIn(bytes.NewReader(content(root, "proc/meminfo"))),
		Kernel:   strings.TrimSpace(word(root, "proc/sys/kernel/ostype") + " " + word(root, "proc/sys/kernel/osrelease")),
		Virtual:  virtual(root, p.hypervisor),
	}
	if f.CPU == "" { // ARM's /proc/cpuinfo has no name
		f.CPU = word(root, "proc/device-tree/model")
	}
	l := limitsIn(root)
	if l.cores > 0 && l.cores < float64(cores) {
		f.Quota = l.cores
	}
	if l.memory > 0 && (f.Memory == 0 || l.memory < f.Memory) {
		f.Memory = l.memory
	}
	return f
}

// content is a file's, to the bound; nothing where it cannot be read.
func content(root fs.FS, name string) []byte {
	f, err := root.Open(name)
	if err != nil {
		return nil
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, most))
	if err != nil {
		return nil
	}
	return data
}

// word is the first line of a file, fit to be shown.
func word(root fs.FS, name string) string {
	line, _, _ := strings.Cut(string(content(root, name)), "\n")
	return shown(strings.TrimRight(line, "\x00")) // the device tree ends its texts with 0
}

// shown makes a line of the system's fit to be shown.
func shown(line string) string {
	const longest = 200
	line = plain.Line(strings.TrimSpace(line))
	if r := []rune(line); len(r) > longest {
		line = string(r[:longest])
	}
	return line
}

// processor is what /proc/cpuinfo says of the first one.
type processor struct {
	model      string
	features   []string // of engineFeatures, in their order
	hypervisor bool
}

func processorIn(r io.Reader) processor {
	p := processor{features: []string{}}
	s := bufio.NewScanner(r)
	s.Buffer(nil, most)
	var flags []string
	for s.Scan() {
		k, v, ok := strings.Cut(s.Text(), ":")
		if !ok {
			continue
		}
		switch strings.TrimSpace(k) {
		case "model name":
			if p.model == "" {
				p.model = shown(v)
			}
		case "flags", "Features":
			if flags == nil {
				flags = strings.Fields(v)
			}
		}
	}
	for _, f := range engineFeatures() {
		if slices.Contains(flags, f) {
			p.features = append(p.features, f)
		}
	}
	p.hypervisor = slices.Contains(flags, "hypervisor")
	return p
}

// memoryIn is all that /proc/meminfo says there is, in bytes; 0 where it does not.
func memoryIn(r io.Reader) int64 {
	s := bufio.NewScanner(r)
	for s.Scan() {
		k, v, _ := strings.Cut(s.Text(), ":")
		if k != "MemTotal" {
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(v), " kB"), 10, 64)
		if err != nil || kib < 0 || kib > 1<<52 {
			return 0
		}
		return kib << 10
	}
	return 0
}

// governor is how the processors' speed is chosen: of all, where they differ.
func governor(root fs.FS) string {
	files, err := fs.Glob(root, "sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor")
	if err != nil {
		return ""
	}
	var all []string
	for _, f := range files {
		if g := word(root, f); g != "" && !slices.Contains(all, g) {
			all = append(all, g)
		}
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// virtual names the hypervisor and the container; hypervisor is whether the
// processor says that there is one.
func virtual(root fs.FS, hypervisor bool) string {
	var in []string
	switch xen := word(root, "sys/hypervisor/type"); {
	case xen != "":
		in = append(in, xen)
	case hypervisor: // without one, the vendor is the one of the machine
		vendor := strings.TrimSpace(word(root, "sys/class/dmi/id/sys_vendor") + " " + word(root, "sys/class/dmi/id/product_name"))
		in = append(in, first(vendor, "unnamed hypervisor"))
	}
	switch groups := string(content(root, "proc/self/cgroup")); {
	case there(root, ".dockerenv") || strings.Contains(groups, "docker"):
		in = append(in, "docker")
	case there(root, "run/.containerenv"):
		in = append(in, "podman")
	case strings.Contains(groups, "kubepods"):
		in = append(in, "kubernetes")
	case strings.Contains(groups, "/lxc"):
		in = append(in, "lxc")
	}
	return strings.Join(in, ", ")
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func there(root fs.FS, name string) bool {
	_, err := fs.Stat(root, name)
	return err == nil
}

// limits are what control groups leave to this process; 0 is no limit.
type limits struct {
	cores  float64
	memory int64
}

// limitsIn are the tightest of this process' groups and those above them, of both
// versions of control groups (Linux, Documentation/admin-guide/cgroup-v2.rst and
// Documentation/scheduler/sched-bwc.rst).
func limitsIn(root fs.FS) limits {
	var l limits
	for _, g := range groupsIn(bytes.NewReader(content(root, "proc/self/cgroup"))) {
		// The path is one of the host's, which a container may not see; its own
		// group is then the top of what it does.
		for dir := g.path; ; dir = path.Dir(dir) {
			l.take(root, g.controllers, dir)
			if dir == "/" {
				break
			}
		}
	}
	return l
}

func (l *limits) take(root fs.FS, controllers []string, dir string) {
	if len(controllers) == 0 {
		at := path.Join("sys/fs/cgroup", dir)
		l.tightenCores(quotaIn(word(root, at+"/cpu.max")))
		l.tightenMemory(word(root, at+"/memory.max"))
		return
	}
	for _, c := range controllers {
		at := path.Join("sys/fs/cgroup", c, dir)
		switch c {
		case "cpu":
			l.tightenCores(quotaIn(word(root, at+"/cpu.cfs_quota_us") + " " + word(root, at+"/cpu.cfs_period_us")))
		case "memory":
			l.tightenMemory(word(root, at+"/memory.limit_in_bytes"))
		}
	}
}

func (l *limits) tightenCores(n float64) {
	if n > 0 && (l.cores == 0 || n < l.cores) {
		l.cores = n
	}
}

func (l *limits) tightenMemory(text string) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err == nil && n > 0 && (l.memory == 0 || n < l.memory) { // "max" and -1 are none
		l.memory = n
	}
}

// quotaIn is "quota period" in cores; 0 where there is none.
func quotaIn(text string) float64 {
	words := strings.Fields(text)
	if len(words) != 2 {
		return 0
	}
	quota, err := strconv.ParseInt(words[0], 10, 64) // "max" and -1 are none
	period, err2 := strconv.ParseInt(words[1], 10, 64)
	if err != nil || err2 != nil || quota <= 0 || period <= 0 {
		return 0
	}
	return float64(quota) / float64(period)
}

// group is one line of /proc/self/cgroup; version 2's has no controllers.
type group struct {
	controllers []string
	path        string // absolute and clean
}

// maxGroups and maxDepth bound the files that a hostile /proc/self/cgroup makes
// this look for.
const (
	maxGroups = 64
	maxDepth  = 64
)

func groupsIn(r io.Reader) []group {
	var all []group
	s := bufio.NewScanner(r)
	for s.Scan() && len(all) < maxGroups {
		// hierarchy:controllers:path
		words := strings.SplitN(s.Text(), ":", 3)
		if len(words) != 3 || !strings.HasPrefix(words[2], "/") {
			continue
		}
		g := group{path: path.Clean(words[2])}
		if strings.Count(g.path, "/") > maxDepth {
			continue
		}
		if words[1] != "" {
			g.controllers = strings.Split(words[1], ",")
		}
		all = append(all, g)
	}
	return all
}

// String is the machine in one line, for beside a measurement.
func (f Facts) String() string {
	words := []string{first(f.CPU, "unknown processor"), fmt.Sprintf("%d cores", f.Cores)}
	if f.Cores == 1 {
		words[1] = "1 core"
	}
	if f.Quota > 0 {
		words = append(words, fmt.Sprintf("of %.2g cores' time", f.Quota))
	}
	if f.Memory > 0 {
		words = append(words, fmt.Sprintf("%.1f GiB", float64(f.Memory)/(1<<30)))
	}
	if f.Governor != "" {
		words = append(words, "governor "+f.Governor)
	}
	if f.Kernel != "" {
		words = append(words, f.Kernel)
	}
	if f.Virtual != "" {
		words = append(words, "in "+f.Virtual)
	}
	return strings.Join(words, ", ")
}

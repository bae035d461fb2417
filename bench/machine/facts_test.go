package machine

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"
)

func file(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// tree is a made-up system: names and contents of files, by turns.
func tree(files ...string) fstest.MapFS {
	m := fstest.MapFS{}
	for i := 0; i < len(files); i += 2 {
		m[files[i]] = &fstest.MapFile{Data: []byte(files[i+1])}
	}
	return m
}

func TestRead(t *testing.T) {
	epyc := file(t, "epyc/cpuinfo")
	for _, tt := range []struct {
		name string
		root fstest.MapFS
		want Facts
	}{
		{"a system that tells nothing", tree(), Facts{Features: []string{}}},
		{"a virtual machine", tree(
			"proc/cpuinfo", epyc,
			"proc/meminfo", file(t, "epyc/meminfo"),
			"proc/sys/kernel/ostype", "Linux\n",
			"proc/sys/kernel/osrelease", "6.1.0-18-cloud-amd64\n",
			"sys/class/dmi/id/sys_vendor", "QEMU\n",
			"proc/self/cgroup", "0::/user.slice\n",
			"sys/fs/cgroup/user.slice/cpu.max", "max 100000\n",
			"sys/fs/cgroup/user.slice/memory.max", "max\n",
		), Facts{
			CPU: "AMD EPYC 7B13", Features: []string{"sse4_1", "avx", "f16c", "fma", "avx2"},
			Memory: 8149412 << 10, Kernel: "Linux 6.1.0-18-cloud-amd64", Virtual: "QEMU",
		}},
		{"a machine of its own has no vendor for hypervisor", tree(
			"proc/cpuinfo", strings.Replace(epyc, "hypervisor ", "", 1),
			"sys/class/dmi/id/sys_vendor", "Dell Inc.\n",
			"sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "schedutil\n",
			"sys/devices/system/cpu/cpu1/cpufreq/scaling_governor", "performance\n",
			"sys/devices/system/cpu/cpu10/cpufreq/scaling_governor", "schedutil\n",
		), Facts{CPU: "AMD EPYC 7B13", Features: []string{"sse4_1", "avx", "f16c", "fma", "avx2"}, Governor: "performance, schedutil"}},
		{"ARM", tree(
			"proc/cpuinfo", file(t, "arm/cpuinfo"),
			"proc/device-tree/model", "NVIDIA Jetson Nano\x00",
		), Facts{CPU: "NVIDIA Jetson Nano", Features: []string{"asimd", "asimdhp", "asimddp"}}},
		{"a container, of which the group above is tighter", tree(
			"proc/meminfo", file(t, "epyc/meminfo"),
			".dockerenv", "",
			"proc/self/cgroup", "0::/pod/app\n",
			"sys/fs/cgroup/pod/cpu.max", "150000 100000\n",
			"sys/fs/cgroup/pod/app/cpu.max", "300000 100000\n",
			"sys/fs/cgroup/pod/app/memory.max", "1073741824\n",
		), Facts{Features: []string{}, Quota: 1.5, Memory: 1 << 30, Virtual: "docker"}},
		{"control groups of version 1, whose path the container does not see", tree(
			"proc/self/cgroup", "5:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n0::/\n",
			"sys/fs/cgroup/cpu/cpu.cfs_quota_us", "200000\n",
			"sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes", "536870912\n",
		), Facts{Features: []string{}, Quota: 2, Memory: 512 << 20, Virtual: "docker"}},
		{"a quota of all cores limits nothing", tree(
			"proc/self/cgroup", "0::/\n",
			"sys/fs/cgroup/cpu.max", "400000 100000\n",
		), Facts{Features: []string{}}},
		{"Xen", tree("sys/hypervisor/type", "xen\n"), Facts{Features: []string{}, Virtual: "xen"}},
		{"no known hypervisor", tree("proc/cpuinfo", "flags : hypervisor\n"), Facts{Features: []string{}, Virtual: "unnamed hypervisor"}},
		{"hostile names", tree("proc/cpuinfo", "model name : \x1b[2J"+strings.Repeat("x", 5000)+"\n"),
			Facts{CPU: "\uFFFD[2J" + strings.Repeat("x", 196), Features: []string{}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.want.Cores = 4
			if got := read(tt.root, 4); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

// TestReadHere: on any machine, there are cores and versions.
func TestReadHere(t *testing.T) {
	f := Read()
	if f.Cores < 1 || f.Platform == "" || f.Go == "" || f.Version == "" || f.Features == nil {
		t.Errorf("got %+v", f)
	}
	t.Log(f)
}

func TestFactsInALine(t *testing.T) {
	for want, f := range map[string]Facts{
		"unknown processor, 1 core": {Cores: 1},
		"X, 2 cores, of 1.5 cores' time, 1.5 GiB, governor performance, Linux 6, in QEMU": {
			CPU: "X", Cores: 2, Quota: 1.5, Memory: 3 << 29, Governor: "performance", Kernel: "Linux 6", Virtual: "QEMU"},
	} {
		if got := f.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// FuzzFiles: whatever the system's files hold, facts and noise are within their
// ranges and nothing panics.
func FuzzFiles(f *testing.F) {
	for _, name := range []string{"epyc/cpuinfo", "epyc/meminfo", "epyc/stat", "epyc/loadavg", "epyc/pidstat", "arm/cpuinfo"} {
		f.Add([]byte(file(f, name)))
	}
	f.Add([]byte("0::/a/../../b\n4:cpu,memory:/\n1:../..:/x\n"))
	f.Add([]byte("Cpus_allowed_list:\t0-3,9,7-2\n"))
	f.Add([]byte("cpu0 18446744073709551615 1 1 1 1 1 1 1\n"))
	f.Add([]byte("1 (x) R 1 1 1 1 1 1 1 1 1 1 9999999999999999999 1 1 1\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		files := tree("proc/1/stat", "1 (x) R 0 0 0 0 0 0 0 0 0 0 5 5 0 0")
		for _, name := range []string{
			"proc/cpuinfo", "proc/meminfo", "proc/self/cgroup", "proc/self/status", "proc/stat", "proc/loadavg", "proc/7/stat",
			"proc/device-tree/model", "sys/hypervisor/type", "sys/fs/cgroup/cpu.max", "sys/fs/cgroup/memory.max",
			"sys/fs/cgroup/cpu/cpu.cfs_quota_us", "sys/fs/cgroup/cpu/cpu.cfs_period_us", "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor",
		} {
			files[name] = &fstest.MapFile{Data: data}
		}
		facts := read(files, 2)
		if facts.Memory < 0 || !(facts.Quota >= 0 && facts.Quota < 2) || facts.Features == nil || len(facts.CPU) > 1000 {
			t.Errorf("%+v", facts)
		}
		w := start(files, 1, facts)
		later := bytes.ReplaceAll(data, []byte(" 1"), []byte(" 9"))
		files["proc/stat"] = &fstest.MapFile{Data: later}
		files["proc/7/stat"] = &fstest.MapFile{Data: later}
		n := w.Stop()
		for _, share := range []float64{n.Others, n.Steal} {
			if !(share >= 0 && share <= 1) {
				t.Errorf("%+v", n)
			}
		}
		if math.IsNaN(n.LoadBefore) || n.Noisy != (n.Why != "") {
			t.Errorf("%+v", n)
		}
	})
}

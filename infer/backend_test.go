package infer

import (
	"errors"
	"testing"
)

func TestSettle(t *testing.T) {
	missing := func(b Backend) (string, string) {
		if b == CUDA {
			return "", ""
		}
		return "no " + string(b), "get one"
	}
	for _, tc := range []struct {
		name          string
		o             Options
		use           Backend
		fallback, err string
	}{
		{"default", Options{}, CPU, "", ""},
		{"cpu needs nothing", Options{Backend: CPU, Require: true}, CPU, "", ""},
		{"there", Options{Backend: CUDA, Require: true}, CUDA, "", ""},
		{"falls back", Options{Backend: OpenCL}, CPU, "no opencl", ""},
		{"refuses", Options{Backend: CUDAFP16, Require: true}, "", "", "backend cuda-fp16 cannot run: no cuda-fp16; get one"},
		{"unknown", Options{Backend: "tpu"}, "", "", `unknown backend "tpu": use cpu, cuda, cuda-fp16 or opencl`},
	} {
		use, fallback, err := Settle(tc.o, missing)
		if use != tc.use || fallback != tc.fallback || (err == nil) != (tc.err == "") || err != nil && err.Error() != tc.err {
			t.Errorf("%s: %q, %q, %v", tc.name, use, fallback, err)
		}
	}
	_, _, err := Settle(Options{Backend: OpenCL, Require: true}, missing)
	if e := (*BackendError)(nil); !errors.As(err, &e) || e.Backend != OpenCL {
		t.Errorf("%v is not a BackendError", err)
	}
}

func TestThreadCount(t *testing.T) {
	for threads, ok := range map[int]bool{-1: false, 0: true, 1: true, MaxThreads: true, MaxThreads + 1: false} {
		n, err := Options{Threads: threads}.ThreadCount()
		if (err == nil) != ok || ok && (n < 1 || threads > 0 && n != threads) {
			t.Errorf("%d: %d, %v", threads, n, err)
		}
	}
}

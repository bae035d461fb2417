package opencv

// #include "shim.h"
import "C"

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unsafe"

	"dashline/infer"
)

// Facts are what is true of the OpenCV library that this process runs with.
type Facts struct {
	Version     string   // for example "4.6.0"
	Parallel    string   // the framework that OpenCV was built with; networks bring their own threads
	CPU         string   // OpenCV's CPU features: "*" is dispatched at run time, "?" is not there
	Backends    []string // what OpenCV DNN can run on here, for example "opencv/cpu"
	CUDABuilt   bool     // OpenCV was built with CUDA
	CUDADevices int      // usable CUDA devices
	CUDA        string   // CUDA in words
	OpenCL      string   // the OpenCL device in words; empty where there is none
	OpenCLUsed  bool     // OpenCV DNN would really use that device
}

// ReadFacts asks OpenCV. It never fails: what OpenCV cannot say is left empty.
func ReadFacts() Facts {
	f := Facts{
		Version: fact(C.DL_VERSION, 256),
		CPU:     fact(C.DL_CPU_FEATURES, 4096),
		OpenCL:  fact(C.DL_OPENCL_DEVICE, 1024),
	}
	build := fact(C.DL_BUILD, 1<<16)
	f.Parallel = buildLine(build, "Parallel framework:")
	f.CUDABuilt = strings.HasPrefix(buildLine(build, "NVIDIA CUDA:"), "YES")
	f.OpenCLUsed = C.dl_opencl_used() != 0
	for pair := range strings.FieldsSeq(fact(C.DL_BACKENDS, 1024)) {
		f.Backends = append(f.Backends, backendName(pair))
	}
	devices := int(C.dl_cuda_devices())
	f.CUDADevices = max(devices, 0)
	f.CUDA = f.cudaWords(devices)
	return f
}

func (f Facts) cudaWords(devices int) string {
	nvidia := nvidiaWords("/proc/driver/nvidia")
	switch {
	case !f.CUDABuilt:
		return fmt.Sprintf("OpenCV %s was built without CUDA; %s", f.Version, nvidia)
	case devices < 0:
		return fmt.Sprintf("OpenCV %s was built with CUDA but cannot use it: a part of the driver is missing or too old; %s", f.Version, nvidia)
	case devices == 0:
		return fmt.Sprintf("OpenCV %s was built with CUDA but sees no device (CUDA_VISIBLE_DEVICES=%q); %s", f.Version, os.Getenv("CUDA_VISIBLE_DEVICES"), nvidia)
	}
	return fmt.Sprintf("OpenCV %s was built with CUDA; %d device(s), first: %s", f.Version, devices, fact(C.DL_CUDA_DEVICE, 512))
}

// nvidiaWords says which NVIDIA driver the kernel has and which devices that
// driver has, from the folder in which it says so.
func nvidiaWords(dir string) string {
	text, err := os.ReadFile(filepath.Join(dir, "version"))
	if err != nil {
		return "no NVIDIA driver is loaded, so no device can be used"
	}
	line, _, _ := strings.Cut(string(text), "\n")
	driver := "the NVIDIA driver is " + strings.Join(strings.Fields(strings.TrimPrefix(line, "NVRM version:")), " ")
	files, _ := filepath.Glob(filepath.Join(dir, "gpus", "*", "information")) // the pattern is right
	var models []string
	for _, file := range files {
		text, _ := os.ReadFile(file)
		models = append(models, cmp.Or(buildLine(string(text), "Model:"), "a device without a name"))
	}
	if len(models) == 0 {
		return driver + " and has no device"
	}
	return driver + " and has " + strings.Join(models, ", ")
}

// missing says why a network would not really run on a backend, and what to do
// about it. Both are empty where it would.
func (f Facts) missing(b infer.Backend) (reason, mend string) {
	const useCPU = "use backend cpu, or leave out require to fall back to it"
	switch b {
	case infer.CUDA, infer.CUDAFP16:
		if !f.CUDABuilt {
			return f.CUDA, "build against an OpenCV with CUDA (make cuda-link shows one), or " + useCPU
		}
		if f.CUDADevices == 0 {
			return f.CUDA, "install an NVIDIA driver for this CUDA, or " + useCPU
		}
		if C.dl_available(C.DL_CUDA) == 0 {
			return f.CUDA + ", but OpenCV DNN was built without cuDNN or not for this device", "build OpenCV DNN for it, or " + useCPU
		}
		if b == infer.CUDAFP16 && C.dl_available(C.DL_CUDA_FP16) == 0 {
			return "the CUDA device has no fast FP16: " + f.CUDA, "use backend cuda"
		}
	case infer.OpenCL:
		if f.OpenCL == "" {
			return "OpenCV " + f.Version + " finds no OpenCL device", "install the OpenCL driver of your GPU, or " + useCPU
		}
		if !f.OpenCLUsed || C.dl_available(C.DL_OPENCL) == 0 {
			return "OpenCV DNN does not use this OpenCL device: " + f.OpenCL, useCPU
		}
	}
	return "", ""
}

func fact(which C.int, size int) string {
	buf := make([]byte, size)
	if C.dl_fact(which, (*C.char)(unsafe.Pointer(&buf[0])), C.size_t(size)) != 0 {
		return ""
	}
	return cText(buf)
}

// cText is the text before the first zero byte.
func cText(buf []byte) string {
	for i, b := range buf {
		if b == 0 {
			return strings.TrimSpace(string(buf[:i]))
		}
	}
	return ""
}

// buildLine is the value of one line of OpenCV's build information.
func buildLine(build, key string) string {
	for line := range strings.Lines(build) {
		if value, found := strings.CutPrefix(strings.TrimSpace(line), key); found {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// backendName names a pair of OpenCV DNN's numbers, "backend/target".
func backendName(pair string) string {
	backends := map[int]string{1: "halide", 2: "openvino", 3: "opencv", 4: "vulkan", 5: "cuda", 6: "webnn", 7: "timvx", 8: "cann", 1000000: "openvino"}
	targets := map[int]string{0: "cpu", 1: "opencl", 2: "opencl-fp16", 3: "myriad", 4: "vulkan", 5: "fpga", 6: "cuda", 7: "cuda-fp16", 8: "hddl", 9: "npu", 10: "cpu-fp16"}
	name := func(names map[int]string, number string) string {
		n, err := strconv.Atoi(number)
		if err != nil || names[n] == "" {
			return number
		}
		return names[n]
	}
	b, t, _ := strings.Cut(pair, "/")
	return name(backends, b) + "/" + name(targets, t)
}

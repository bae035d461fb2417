package opencv

import (
	"os"
	"path/filepath"
	"testing"
)

// What the driver's folder says, in words.
func TestNVIDIAWords(t *testing.T) {
	dir := t.TempDir()
	says := func(want string) {
		t.Helper()
		if got := nvidiaWords(dir); got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
	write := func(name, text string) {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	says("no NVIDIA driver is loaded, so no device can be used")
	write("version", "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.54  Tue\nGCC version: 12\n")
	const driver = "the NVIDIA driver is NVIDIA UNIX x86_64 Kernel Module 535.54 Tue"
	says(driver + " and has no device")
	write("gpus/0000:01:00.0/information", "Model: \t\t NVIDIA Large\nIRQ:   \t\t 1\n")
	write("gpus/0000:02:00.0/information", "IRQ:   \t\t 2\n")
	says(driver + " and has NVIDIA Large, a device without a name")
}

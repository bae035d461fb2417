// Package threads names the threads that native code starts, so that top, perf and
// a debugger say what they are for.
package threads

import (
	"os"
	"runtime"
	"strings"
)

// own is the name of the calling thread (proc(5)). It can be read and written only
// on Linux; elsewhere threads keep the names they have.
const own = "/proc/thread-self/comm"

// longest is what the kernel keeps of a name.
const longest = 15

// Named calls f such that threads which it starts have the name: a thread begins
// with the name of the one that started it (pthread_setname_np(3)). Goroutines that
// f starts are not concerned, and neither is the calling thread afterwards.
func Named(name string, f func()) {
	// Go starts no thread from one that is locked, so that its own stay out of this.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, err := os.ReadFile(own)
	if err != nil {
		f()
		return
	}
	set(name)
	defer set(strings.TrimSuffix(string(before), "\n"))
	f()
}

// set is for show alone, so that it is no error where it cannot be done.
func set(name string) {
	_ = os.WriteFile(own, []byte(name[:min(len(name), longest)]), 0)
}

// Package machine says what a measurement ran on, and how quiet it was there: on
// Linux, out of /proc and /sys.
//
// Invariants:
//   - What the machine does not tell is empty or 0, and nothing is guessed.
//   - No other program is started, and nothing is written.
//   - Files of the system are read to a bound, and nothing in them makes it panic.
package machine

// Facts are what does not change while something is measured. What the machine
// does not tell is empty.
type Facts struct {
	CPU      string   `json:"cpu"`
	Features []string `json:"features"`        // of the processor, those that engines use: avx2, avx512f, avx512_vnni and the like
	Cores    int      `json:"cores"`           // that this process may run on
	Quota    float64  `json:"quota,omitempty"` // of so many cores' time it may use, where a container allows less than all of Cores
	Governor string   `json:"governor,omitempty"`
	Memory   int64    `json:"memory_bytes"` // that this process may use
	Kernel   string   `json:"kernel"`
	Virtual  string   `json:"virtual,omitempty"` // in which hypervisor or container
	Platform string   `json:"platform"`          // that this program was built for, as Go names it: linux/amd64
	Go       string   `json:"go"`
	Version  string   `json:"version"` // of this program
}

// Noise is what else the machine did while something was measured, on the
// processors that this process may run on.
type Noise struct {
	LoadBefore float64 `json:"load_before"` // processes that ran or wanted to, mean of the minute before
	Others     float64 `json:"others"`      // share of the processors' time that other processes had, 0 to 1
	Steal      float64 `json:"steal"`       // share that the hypervisor gave to other machines, 0 to 1
	Noisy      bool    `json:"noisy"`
	Why        string  `json:"why,omitempty"` // in words
}
